import { html, nothing, type TemplateResult } from 'lit-html'
import { answer, api, type DeadLetterQueue, type FailedJob } from '../api/client'
import { sentence } from '../api/problem'
import { dayAndTime, size } from '../format'
import type { Visit } from '../router'
import { keepDrawn } from '../views/draw'
import { failure, toast } from '../views/notice'

const queueNames: Record<DeadLetterQueue['name'], string> = {
  'upload-events': 'Uploads that arrived',
  package: 'Packaging',
  encode: 'Encoding',
  remove: 'Removal',
  plan: 'Planning of encodings',
}

/** For admins: what failed, and another try for it. */
export function show({ root, left }: Visit): void {
  let jobs: FailedJob[] | undefined
  let nextCursor: string | undefined
  let queues: DeadLetterQueue[] | undefined
  let busy = false
  let error: unknown

  const redraw = keepDrawn(root, view, left)
  void load()

  async function load(): Promise<void> {
    error = undefined
    redraw()
    try {
      const [page, letters] = await Promise.all([
        answer(api.GET('/admin/jobs', { params: { query: {} }, signal: left })),
        answer(api.GET('/admin/dead-letters', { signal: left })),
      ])
      jobs = page.items
      nextCursor = page.next_cursor
      queues = letters.queues
    } catch (reason) {
      if (left.aborted) return
      error = reason
    }
    redraw()
  }

  /** Does what a button says, one thing at a time, and shows what has become of everything. */
  async function act(work: () => Promise<string | undefined>): Promise<void> {
    busy = true
    redraw()
    try {
      const said = await work()
      if (said) toast(said)
    } catch (reason) {
      if (left.aborted) return
      toast(sentence(reason))
    }
    busy = false
    redraw()
  }

  const more = () =>
    act(async () => {
      const page = await answer(api.GET('/admin/jobs', { params: { query: { cursor: nextCursor ?? '' } }, signal: left }))
      jobs = [...(jobs ?? []), ...page.items]
      nextCursor = page.next_cursor
      return undefined
    })

  const retry = (job: FailedJob) =>
    act(async () => {
      await answer(api.POST('/uploads/{id}/retry', { params: { path: { id: job.upload_id } } }))
      jobs = jobs?.filter((other) => other.upload_id !== job.upload_id)
      return `“${job.name}” is tried again.`
    })

  const redrive = ({ name }: DeadLetterQueue) =>
    act(async () => {
      // These have no button; the API takes only the others.
      if (name === 'remove' || name === 'plan') return undefined
      const { queues: moved } = await answer(api.POST('/admin/dead-letters/redrive', { body: { queue: name } }))
      await load()
      const count = moved.reduce((sum, { moved }) => sum + moved, 0)
      return count === 1 ? 'One message is tried again.' : `${count} messages are tried again.`
    })

  function view(): TemplateResult {
    return html`<div class="account wide">
      <div class="page-head"><h1>Failed jobs</h1></div>
      ${error ? failure(error, load) : jobs && queues ? html`${letters(queues)}${failed(jobs)}` : html`<p role="status">Loading…</p>`}
    </div>`
  }

  function letters(queues: DeadLetterQueue[]): TemplateResult {
    return html`<section>
      <h2>Dead letters</h2>
      <p class="faint">Messages that failed five times. Mend the cause first; the logs name it.</p>
      <div class="table-scroll stacks" tabindex="0" role="region" aria-label="Dead letters">
        <table>
          <thead>
            <tr><th scope="col">Queue</th><th scope="col">Messages</th><th scope="col">About</th><th scope="col"></th></tr>
          </thead>
          <tbody>
            ${queues.map(
              (queue) => html`<tr>
                <td>${queueNames[queue.name]}</td>
                <td data-label="Messages">${queue.count}</td>
                <td data-label="About">${queue.messages.length ? queue.messages.map(about) : 'Nothing'}</td>
                <td>
                  ${queue.redrivable && queue.count > 0
                    ? html`<button
                        class="button"
                        type="button"
                        ?disabled=${busy}
                        aria-label=${`Re-drive ${queueNames[queue.name]}`}
                        @click=${() => void redrive(queue)}
                      >
                        Re-drive
                      </button>`
                    : nothing}
                </td>
              </tr>`,
            )}
          </tbody>
        </table>
      </div>
    </section>`
  }

  function about(letter: DeadLetterQueue['messages'][number]): TemplateResult {
    const ids = letter.content_id ? [letter.content_id] : letter.upload_ids
    const what = ids.length ? ids.map((id) => html`<code>${id}</code> `) : 'unknown '
    return html`<div>
      ${what}${letter.part ? html`(${letter.part}) ` : nothing}${letter.sent_at ? html`since ${dayAndTime(letter.sent_at)}` : nothing}
    </div>`
  }

  function failed(jobs: FailedJob[]): TemplateResult {
    if (jobs.length === 0) return html`<section><h2>Uploads</h2><p>None has failed.</p></section>`
    return html`<section>
      <h2>Uploads</h2>
      <div class="table-scroll stacks" tabindex="0" role="region" aria-label="Failed uploads">
        <table>
          <thead>
            <tr><th scope="col">Upload</th><th scope="col">Reason</th><th scope="col">Failed</th><th scope="col">Owner</th><th scope="col"></th></tr>
          </thead>
          <tbody>
            ${jobs.map(
              (job) => html`<tr>
                <td>${job.name}<br /><span class="faint">${job.file_name} · ${size(job.size_bytes)}</span><br /><code>${job.upload_id}</code></td>
                <td class="sentence">${job.reason}</td>
                <td data-label="Failed">${dayAndTime(job.failed_at ?? job.created_at)}</td>
                <td data-label="Owner">
                  <a href="/admin/accounts/${encodeURIComponent(job.owner_id)}" aria-label=${`Account of the owner of ${job.name}`}>Account</a>
                </td>
                <td>
                  ${job.retryable
                    ? html`<button
                        class="button"
                        type="button"
                        ?disabled=${busy}
                        aria-label=${`Retry ${job.name}`}
                        @click=${() => void retry(job)}
                      >
                        Retry
                      </button>`
                    : nothing}
                </td>
              </tr>`,
            )}
          </tbody>
        </table>
      </div>
      ${nextCursor
        ? html`<button class="button" type="button" ?disabled=${busy} @click=${() => void more()}>Load more</button>`
        : nothing}
    </section>`
  }
}
