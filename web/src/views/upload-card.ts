import { html, nothing, type TemplateResult } from 'lit-html'
import type { Upload, UploadState } from '../api/client'
import { day, dayAndTime, roughly, size } from '../format'
import type { Transfer } from '../upload/transfer'
import { again, check, cross, pause, play, warning } from './icons'

/** What a state means to the publisher. `failed` is told by its reason instead. */
const meaning: Record<Exclude<UploadState, 'failed'>, string> = {
  waiting: 'Part of the file is still missing.',
  uploaded: 'Everything has arrived. It will be checked in a moment.',
  checking: 'Checking what kind of film this is, and whether it is here already.',
  duplicate: 'You already have this film, so nothing was stored twice.',
  processing: 'Preparing it for streaming.',
  ready: 'Ready to watch.',
}

/** What a state is called. */
export const badge: Record<UploadState, string> = {
  waiting: 'Incomplete',
  uploaded: 'Uploaded',
  checking: 'Checking',
  duplicate: 'Duplicate',
  processing: 'Processing',
  ready: 'Ready',
  failed: 'Failed',
}

export interface TransferActions {
  pause(): void
  resume(): void
  cancel(): void
  remove(): void
}

/** A file that this page is sending, or has sent. */
export function transferCard(transfer: Transfer, actions: TransferActions): TemplateResult {
  if (transfer.phase === 'sent' && transfer.upload) {
    return card(transfer.name, transfer.file.name, transfer.sizeBytes, {
      state: transfer.upload.state,
      body: html`${note(transfer)}${outcome(transfer.upload)}
      ${transfer.error ? html`<p class="faint">${transfer.error}</p>` : nothing}`,
    })
  }
  const percent = Math.floor((transfer.sentBytes / Math.max(1, transfer.sizeBytes)) * 100)
  return card(transfer.name, transfer.file.name, transfer.sizeBytes, {
    body: html`${note(transfer)}
      <div class="progress-line">
        <progress max="100" .value=${percent} aria-label=${`Upload of ${transfer.name}`}></progress>
        <span class="progress-percent">${percent} %</span>
      </div>
      <p class=${transfer.phase === 'failed' ? 'card-state failed' : 'card-state'} role=${transfer.phase === 'failed' ? 'alert' : nothing}>
        ${transfer.phase === 'failed' ? warning : nothing}<span>${progressText(transfer)}</span>
      </p>
      <div class="card-actions">${transferButtons(transfer, actions)}</div>`,
  })
}

function note({ note }: Transfer): TemplateResult | typeof nothing {
  return note ? html`<p class="card-state" role="status">${note}</p>` : nothing
}

/** An upload as the server tells it, whose file this page does not have. */
export function uploadCard(
  upload: Upload,
  {
    onFile,
    onDiscard,
    onRetry,
    refusal,
    repeated,
  }: {
    onFile(file: File): void
    onDiscard(): void
    onRetry(): void
    refusal: string | undefined
    /** The upload that this one repeats, where it is known. */
    repeated: Upload | undefined
  },
): TemplateResult {
  const body =
    upload.state === 'waiting'
      ? html`<p class="card-state">
            ${meaning.waiting} Choose <strong>${upload.file_name}</strong> again to go on: only what is missing will be
            sent. Kept until ${dayAndTime(upload.expires_at)}.
          </p>
          ${refusal ? html`<p class="card-state failed" role="alert">${warning}<span>${refusal}</span></p>` : nothing}
          <div class="card-actions">
            <label class="button file-button">
              ${play} <span>Choose the file to resume</span>
              <input class="visually-hidden" type="file" @change=${(event: Event) => chosen(event, onFile)} />
            </label>
            <button class="button quiet" type="button" @click=${onDiscard}>${cross} Discard</button>
          </div>`
      : html`${outcome(upload, repeated)}${upload.retryable ? another(upload, onRetry) : nothing}`
  return card(upload.name, upload.file_name, upload.size_bytes, { state: upload.state, body, date: upload.created_at })
}

/** Another try for what failed in processing: nothing is sent again. */
function another(upload: Upload, onRetry: () => void): TemplateResult {
  return html`<div class="card-actions">
      <button class="button" type="button" aria-label=${`Retry ${upload.name}`} @click=${onRetry}>${again} Retry</button>
    </div>
    ${upload.retry_until ? html`<p class="faint">The file is kept until ${dayAndTime(upload.retry_until)}.</p>` : nothing}`
}

function chosen(event: Event, onFile: (file: File) => void): void {
  const input = event.currentTarget as HTMLInputElement
  const file = input.files?.[0]
  // Choosing the same file a second time must be a change again.
  input.value = ''
  if (file) onFile(file)
}

function card(
  name: string,
  fileName: string,
  sizeBytes: number,
  { state, body, date }: { state?: UploadState; body: TemplateResult; date?: string },
): TemplateResult {
  return html`<article class="upload-card" aria-label=${name}>
    <header>
      <h2>${name}</h2>
      ${state ? html`<span class="badge ${state}">${badge[state]}</span>` : nothing}
    </header>
    <p class="faint">
      ${fileName === name ? nothing : html`<span class="file-name">${fileName}</span> · `}${size(sizeBytes)}${date
        ? html` · ${day(date)}`
        : nothing}
    </p>
    ${body}
  </article>`
}

/** What the server made, or is making, of an upload. */
function outcome(upload: Upload, repeated?: Upload): TemplateResult {
  const { state } = upload
  // There is no video to link to yet, and there may never be one.
  if (state === 'duplicate' && repeated && repeated.state !== 'ready')
    return html`<p class="card-state" role="status">
      You sent this file before, so nothing was stored twice. What became of it is told there.
    </p>`
  if (state === 'failed')
    return html`<p class="card-state failed">
      ${warning}<span>${upload.reason ?? 'This file could not be made ready for watching.'}</span>
    </p>`
  const target = state === 'ready' ? (upload.video_id ?? upload.id) : state === 'duplicate' ? upload.duplicate_of : undefined
  return html`${stages(state)}
    <p class="card-state" role="status">${(state === 'processing' && encodingText(upload)) || meaning[state]}</p>
    ${target
      ? html`<div class="card-actions">
          <a class="button" href="/watch/${encodeURIComponent(target)}">
            ${play} ${state === 'ready' ? 'Watch' : 'Watch the one you have'}
          </a>
        </div>`
      : nothing}`
}

/** How far a film is that has to be converted first; nothing for one that hasn't. */
function encodingText({ encoding }: Upload): string | undefined {
  if (!encoding) return undefined
  const { pieces, pieces_left: left } = encoding
  if (left === 0) return 'Converted. Putting the pieces together.'
  const percent = Math.floor((100 * (pieces - left)) / pieces)
  return `Converting it, because browsers can’t play it as it is. ${percent} % done.`
}

/** The way of a file through the house. */
function stages(state: UploadState): TemplateResult | typeof nothing {
  const reached: Partial<Record<UploadState, number>> = { uploaded: 1, checking: 1, processing: 2 }
  const current = reached[state]
  if (current === undefined) return nothing
  return html`<ol class="stages" aria-label="Progress">
    ${['Uploaded', 'Checked', 'Prepared', 'Ready'].map((label, index) => {
      const step = index < current ? 'done' : index === current ? 'current' : 'ahead'
      return html`<li class=${step} aria-current=${step === 'current' ? 'step' : nothing}>
        <span class="stage-mark">${step === 'done' ? check : nothing}</span>${label}
      </li>`
    })}
  </ol>`
}

function progressText(transfer: Transfer): string {
  switch (transfer.phase) {
    case 'queued':
      return 'Waiting for its turn.'
    case 'paused':
      return `Paused. ${size(transfer.sentBytes)} of ${size(transfer.sizeBytes)} have arrived.`
    case 'signed-out':
      return 'Waiting for you to sign in again.'
    case 'failed':
      return transfer.error ?? 'The upload stopped.'
    case 'completing':
      return 'Finishing…'
    case 'verifying':
      return 'Checking that the parts sent earlier are from this very file…'
    default:
      break
  }
  if (!navigator.onLine) return 'You are offline. Sending goes on by itself when the connection is back.'
  if (transfer.setback) return `Trying again… ${transfer.setback}`
  if (transfer.phase === 'starting') return 'Starting…'
  const speed = transfer.bytesPerSecond
  const sent = `${size(transfer.sentBytes)} of ${size(transfer.sizeBytes)}`
  if (!speed) return sent
  const leftMs = ((transfer.sizeBytes - transfer.sentBytes) / speed) * 1000
  return `${sent} · ${size(speed)}/s · ${roughly(leftMs)} left`
}

function transferButtons(transfer: Transfer, actions: TransferActions): TemplateResult {
  const button = (label: string, icon: TemplateResult, onClick: () => void, kind = '') =>
    html`<button class="button ${kind}" type="button" @click=${onClick}>${icon} ${label}</button>`
  const cancel = button('Cancel', cross, actions.cancel, 'quiet')
  switch (transfer.phase) {
    case 'queued':
    case 'starting':
    case 'sending':
    case 'verifying':
      return html`${button('Pause', pause, actions.pause)}${cancel}`
    case 'paused':
      return html`${button('Resume', play, actions.resume, 'primary')}${cancel}`
    case 'failed':
      return html`${button('Try again', again, actions.resume)}
      ${transfer.upload ? cancel : button('Remove', cross, actions.remove, 'quiet')}`
    default:
      return html``
  }
}
