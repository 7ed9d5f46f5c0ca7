import { html, nothing, type TemplateResult } from 'lit-html'
import { repeat } from 'lit-html/directives/repeat.js'
import { answer, api, type Quota } from '../api/client'
import { size } from '../format'
import type { Visit } from '../router'
import { session } from '../session'
import { leftText, noRoomText, tooLargeText } from '../upload/quota'
import { actionsOn } from '../upload/transfer-actions'
import type { TransferPhase } from '../upload/transfer'
import { transfers } from '../upload/transfers'
import { keepDrawn } from '../views/draw'
import { arrowUp, clapper, cross, warning } from '../views/icons'
import { empty, toast } from '../views/notice'
import { transferCard } from '../views/upload-card'

/** A file that was chosen and waits for its name. */
interface Draft {
  id: number
  file: File
  name: string
  description: string
}

const LONGEST_NAME = 300
const LONGEST_DESCRIPTION = 5000

/** Chosen files survive a look at another page. */
let drafts: Draft[] = []
let lastId = 0

export function show({ root, left }: Visit): void {
  let dragging = false
  /** Undefined until it is known; nothing waits for it, as the server asks again. */
  let quota: Quota | undefined
  let asked = ''
  const redraw = keepDrawn(root, view, left)
  transfers.addEventListener('changed', redraw, { signal: left })
  if (!session.mayPublish) return
  void askQuota()
  // What has been begun, finished or given up has changed it.
  transfers.addEventListener(
    'changed',
    () => {
      const now = transfers.list.map((transfer) => `${transfer.upload?.id} ${isSettled(transfer)}`).join()
      if (now !== asked) void askQuota()
      asked = now
    },
    { signal: left },
  )

  // A file dropped beside the target would otherwise be opened by the browser in place of the page.
  addEventListener('dragover', (event) => event.preventDefault(), { signal: left })
  addEventListener('drop', (event) => event.preventDefault(), { signal: left })

  function view(): TemplateResult {
    if (!session.mayPublish)
      return html`<h1 class="visually-hidden">Upload</h1>
        ${empty(
          clapper,
          'Uploading is for publishers',
          'Ask the person who runs this Matinee to make your account a publisher’s.',
          html`<a class="button" href="/">Go to the library</a>`,
        )}`
    return html`<div class="narrow">
      <div class="page-head"><h1>Upload</h1></div>
      ${dropTarget()} ${quota ? html`<p class="faint quota">${leftText(quota)}</p>` : nothing} ${drafts.length > 0 ? draftForm() : nothing} ${onTheirWay()}
    </div>`
  }

  function dropTarget(): TemplateResult {
    return html`<label
      class="drop-target ${dragging ? 'dragging' : ''} ${drafts.length + transfers.list.length > 0 ? 'small' : ''}"
      @dragenter=${() => drag(true)}
      @dragover=${() => drag(true)}
      @dragleave=${() => drag(false)}
      @drop=${drop}
    >
      <input
        class="visually-hidden"
        type="file"
        multiple
        accept="video/*,.mp4,.m4v,.mov,.mkv,.webm"
        aria-label="Choose films to upload"
        @change=${pick}
      />
      <span class="drop-icon">${arrowUp}</span>
      <span class="drop-title"><strong>Choose films</strong> or drop them here</span>
      <span class="faint">MP4 and MOV play in every browser. You can pause at any time and go on later.</span>
    </label>`
  }

  async function askQuota(): Promise<void> {
    try {
      quota = await answer(api.GET('/quota', { signal: left }))
      redraw()
    } catch {
      // The page does without: the server refuses what doesn't fit before a byte is sent.
    }
  }

  /** Why what is chosen doesn't fit. */
  function noRoom(): string | undefined {
    const queued = transfers.list.filter(({ upload, phase }) => !upload && phase !== 'cancelled')
    return quota && noRoomText(quota, drafts.map(({ file }) => file.size), queued.map(({ sizeBytes }) => sizeBytes))
  }

  function draftForm(): TemplateResult {
    const refusal = noRoom()
    // A film that was begun before goes on in the room that it has.
    const mayGoOn = (quota?.uploads_waiting ?? 0) > 0
    return html`<form class="form drafts" @submit=${submit}>
      ${repeat(
        drafts,
        (draft) => draft.id,
        (draft) => html`<fieldset class="draft">
          <legend class="visually-hidden">${draft.file.name}</legend>
          <p class="draft-file">
            <span class="file-name">${draft.file.name}</span><span class="faint">${size(draft.file.size)}</span>
            <button
              class="icon-button"
              type="button"
              aria-label=${`Don’t upload ${draft.file.name}`}
              @click=${() => removeDraft(draft)}
            >
              ${cross}
            </button>
          </p>
          <label class="field">
            <span>Name</span>
            <input
              required
              maxlength=${LONGEST_NAME}
              .value=${draft.name}
              @input=${(event: Event) => (draft.name = (event.currentTarget as HTMLInputElement).value)}
            />
          </label>
          <label class="field">
            <span>Description <span class="faint">(optional)</span></span>
            <textarea
              rows="2"
              maxlength=${LONGEST_DESCRIPTION}
              .value=${draft.description}
              @input=${(event: Event) => (draft.description = (event.currentTarget as HTMLTextAreaElement).value)}
            ></textarea>
          </label>
        </fieldset>`,
      )}
      ${refusal ? html`<p class="card-state failed" role="alert">${warning}<span>${refusal}</span></p>` : nothing}
      <div class="form-actions">
        <button class="button primary" type="submit" ?disabled=${refusal !== undefined && !mayGoOn}>
          ${arrowUp} ${drafts.length === 1 ? 'Start the upload' : `Start ${drafts.length} uploads`}
        </button>
      </div>
    </form>`
  }

  function onTheirWay(): TemplateResult | typeof nothing {
    if (transfers.list.length === 0) return nothing
    return html`<section class="on-their-way" aria-labelledby="on-their-way">
      <h2 id="on-their-way">On their way</h2>
      <div class="upload-list">
        ${repeat(
          [...transfers.list].reverse(),
          (transfer) => transfer,
          (transfer) => transferCard(transfer, actionsOn(transfer)),
        )}
      </div>
      <p class="faint">
        You can look at other pages meanwhile. If you close this window, the uploads wait in
        <a href="/uploads">My uploads</a>.
      </p>
    </section>`
  }

  function drag(over: boolean): void {
    if (dragging === over) return
    dragging = over
    redraw()
  }

  function pick(event: Event): void {
    const input = event.currentTarget as HTMLInputElement
    choose([...(input.files ?? [])])
    input.value = ''
  }

  function drop(event: DragEvent): void {
    event.preventDefault()
    drag(false)
    choose([...(event.dataTransfer?.files ?? [])])
  }

  function choose(files: readonly File[]): void {
    const tooLarge = (file: File) => quota && tooLargeText(quota, file)
    const usable = files.filter((file) => file.size > 0 && !tooLarge(file))
    for (const refusal of files.map(tooLarge)) if (refusal) toast(refusal)
    for (const file of files) if (file.size === 0) toast(`“${file.name}” is empty, so there is nothing to upload.`)
    drafts = [
      ...drafts,
      ...usable.map((file) => ({ id: ++lastId, file, name: nameOf(file), description: '' })),
    ]
    redraw()
  }

  function removeDraft(draft: Draft): void {
    drafts = drafts.filter((other) => other !== draft)
    redraw()
  }

  function submit(event: SubmitEvent): void {
    event.preventDefault()
    const unnamed = drafts.find((draft) => draft.name.trim() === '')
    if (unnamed) {
      toast(`Give “${unnamed.file.name}” a name.`)
      return
    }
    const chosen = drafts
    drafts = []
    for (const { file, name, description } of chosen)
      transfers.add({ file, name: name.trim(), description: description.trim() })
    redraw()
  }
}

/** It counts as waiting no longer, or is no upload any more. */
function isSettled({ phase }: { phase: TransferPhase }): boolean {
  return phase === 'sent' || phase === 'cancelled'
}

/** `Summer at the lake` from `Summer_at_the_lake.mp4`: a first proposal. */
function nameOf(file: File): string {
  const stem = file.name.replace(/\.[A-Za-z0-9]{2,4}$/, '')
  return stem.replaceAll('_', ' ').trim().slice(0, LONGEST_NAME) || file.name
}
