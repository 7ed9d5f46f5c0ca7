import { html, nothing, type TemplateResult } from 'lit-html'
import { repeat } from 'lit-html/directives/repeat.js'
import { answer, api, type Upload } from '../api/client'
import { Problem, sentence } from '../api/problem'
import type { Visit } from '../router'
import { session } from '../session'
import { followUpload, isUnderWay } from '../upload/follow-upload'
import { actionsOn } from '../upload/transfer-actions'
import { transfers } from '../upload/transfers'
import { confirmed } from '../views/dialog'
import { keepDrawn } from '../views/draw'
import { arrowUp, list as listIcon } from '../views/icons'
import { empty, failure, toast } from '../views/notice'
import { transferCard, uploadCard } from '../views/upload-card'

export function show(visit: Visit): void {
  let uploads: Upload[] | undefined
  let nextCursor: string | undefined
  let loading = false
  let error: unknown
  /** Why the file chosen to resume an upload was not taken, by upload id. */
  const refusals = new Map<string, string>()
  const followed = new Set<string>()

  const redraw = keepDrawn(visit.root, view, visit.left)
  transfers.addEventListener('changed', redraw, { signal: visit.left })
  void load()

  async function load(): Promise<void> {
    if (loading) return
    loading = true
    error = undefined
    redraw()
    try {
      const page = await answer(
        api.GET('/uploads', { params: { query: nextCursor ? { cursor: nextCursor } : {} }, signal: visit.left }),
      )
      const known = new Set(uploads?.map((upload) => upload.id))
      uploads = [...(uploads ?? []), ...page.items.filter((upload) => !known.has(upload.id))]
      nextCursor = page.next_cursor
      for (const upload of page.items) if (isUnderWay(upload.state)) void follow(upload.id)
    } catch (reason) {
      if (visit.left.aborted) return
      error = reason
    }
    loading = false
    redraw()
  }

  async function follow(id: string): Promise<void> {
    if (followed.has(id) || transfers.of(id)) return
    followed.add(id)
    try {
      await followUpload(id, replace, visit.left)
    } catch (reason) {
      // Gone in the meantime, or the visitor has left: the list is read afresh on the next visit.
      if (reason instanceof Problem && reason.status === 404) forget(id)
    }
    followed.delete(id)
  }

  function replace(upload: Upload): void {
    uploads = uploads?.map((other) => (other.id === upload.id ? upload : other))
    redraw()
  }

  function forget(id: string): void {
    uploads = uploads?.filter((upload) => upload.id !== id)
    redraw()
  }

  function view(): TemplateResult {
    return html`<div class="narrow">
      <div class="page-head"><h1>My uploads</h1></div>
      ${content()}
    </div>`
  }

  function content(): TemplateResult {
    if (!uploads)
      return error
        ? failure(error, load)
        : html`<p class="visually-hidden" role="status">Loading your uploads…</p>
            <div class="upload-list" aria-hidden="true">
              ${Array.from({ length: 3 }, () => html`<div class="upload-card skeleton tall"></div>`)}
            </div>`
    const listed = new Set(uploads.map((upload) => upload.id))
    const unlisted = transfers.list.filter((transfer) => !transfer.upload || !listed.has(transfer.upload.id)).reverse()
    if (uploads.length + unlisted.length === 0)
      return empty(
        listIcon,
        'No uploads yet',
        'What you upload is listed here, with what became of it.',
        session.mayPublish ? html`<a class="button primary" href="/upload">${arrowUp} Upload a film</a>` : undefined,
      )
    return html`<div class="upload-list">
        ${repeat(
          unlisted,
          (transfer) => transfer,
          (transfer) => transferCard(transfer, actionsOn(transfer)),
        )}
        ${repeat(uploads, (upload) => upload.id, row)}
      </div>
      ${error ? failure(error, load) : more()}`
  }

  function row(upload: Upload): TemplateResult {
    const transfer = transfers.of(upload.id)
    if (transfer && transfer.phase !== 'cancelled') return transferCard(transfer, actionsOn(transfer, () => forget(upload.id)))
    return uploadCard(upload, {
      onFile: (file) => resume(upload, file),
      onDiscard: () => void discard(upload),
      onRetry: () => void retry(upload),
      refusal: refusals.get(upload.id),
      repeated: uploads?.find((other) => other.id === upload.duplicate_of),
    })
  }

  function more(): TemplateResult | typeof nothing {
    if (!nextCursor) return nothing
    return html`<p class="more">
      <button class="button" type="button" ?disabled=${loading} @click=${load}>
        ${loading ? 'Loading…' : 'Load more'}
      </button>
    </p>`
  }

  function resume(upload: Upload, file: File): void {
    if (file.size === upload.size_bytes) {
      refusals.delete(upload.id)
      transfers.resume(upload, file)
    } else
      refusals.set(
        upload.id,
        `“${file.name}” is another file: its size differs from that of ${upload.file_name}.`,
      )
    redraw()
  }

  async function retry(upload: Upload): Promise<void> {
    try {
      replace(await answer(api.POST('/uploads/{id}/retry', { params: { path: { id: upload.id } } })))
      void follow(upload.id)
    } catch (reason) {
      toast(sentence(reason))
    }
  }

  async function discard(upload: Upload): Promise<void> {
    const sure = await confirmed({
      title: 'Discard this upload?',
      text: `What has arrived of “${upload.name}” will be thrown away.`,
      yes: 'Discard it',
      no: 'Keep it',
    })
    if (!sure) return
    try {
      await answer(api.DELETE('/uploads/{id}', { params: { path: { id: upload.id } } }))
    } catch (reason) {
      if (!(reason instanceof Problem && reason.status === 404)) {
        toast(sentence(reason))
        return
      }
    }
    forget(upload.id)
  }
}
