import { html, nothing, type TemplateResult } from 'lit-html'
import { Problem, sentence } from '../api/problem'
import { saveVideo, type VersionedVideo } from '../versioned-video'
import { openDialog } from './dialog'

/**
 * The dialog that edits a video's title and description. Resolves with the video as saved, or as read anew when somebody else's edit was kept;
 * undefined when nothing has changed.
 *
 * Saving names the version that was edited. When somebody has saved another one meanwhile, the dialog shows theirs beside what was typed
 * here and lets one decide; nothing is overwritten unseen.
 */
export function editVideo(
  original: VersionedVideo,
  readAgain: () => Promise<VersionedVideo>,
): Promise<VersionedVideo | undefined> {
  let base = original
  let title = original.video.title
  let description = original.video.description ?? ''
  let theirs: VersionedVideo | undefined
  let refusal: string | undefined
  let busy = false

  return openDialog<VersionedVideo>('Edit video', ({ close, redraw }) => {
    async function save(event: SubmitEvent): Promise<void> {
      event.preventDefault()
      if (busy) return
      if (title.trim() === '') {
        refusal = 'A video needs a title.'
        redraw()
        return
      }
      busy = true
      refusal = undefined
      redraw()
      try {
        close(await saveVideo(base, { title: title.trim(), description: description.trim() }))
        return
      } catch (error) {
        if (error instanceof Problem && error.status === 412) await compare()
        else refusal = sentence(error)
      }
      busy = false
      redraw()
    }

    async function compare(): Promise<void> {
      try {
        theirs = await readAgain()
        // Saving again is made against what is shown now.
        base = theirs
      } catch (error) {
        refusal = sentence(error)
      }
    }

    function conflict(): TemplateResult | typeof nothing {
      if (!theirs) return nothing
      const now = theirs
      return html`<div class="conflict" role="alert">
        <p><strong>Somebody else has changed this video meanwhile.</strong></p>
        <dl>
          <dt>Title now</dt>
          <dd>${now.video.title}</dd>
          <dt>Description now</dt>
          <dd>${now.video.description || html`<span class="faint">none</span>`}</dd>
        </dl>
        <p>Save to replace it by yours below, or keep what is there now.</p>
        <button class="button" type="button" @click=${() => close(now)}>Keep what is there now</button>
      </div>`
    }

    return html`<form class="dialog-body form" @submit=${save}>
      <h2>Edit video</h2>
      ${conflict()} ${refusal ? html`<p class="form-error" role="alert">${refusal}</p>` : nothing}
      <label class="field">
        <span>Title</span>
        <input
          required
          autofocus
          maxlength="300"
          .value=${title}
          @input=${(event: Event) => (title = (event.currentTarget as HTMLInputElement).value)}
        />
      </label>
      <label class="field">
        <span>Description</span>
        <textarea
          rows="5"
          maxlength="5000"
          .value=${description}
          @input=${(event: Event) => (description = (event.currentTarget as HTMLTextAreaElement).value)}
        ></textarea>
      </label>
      <div class="dialog-actions">
        <button class="button" type="button" @click=${() => close(theirs)}>Cancel</button>
        <button class="button primary" type="submit" ?disabled=${busy}>${busy ? 'Saving…' : theirs ? 'Save mine' : 'Save'}</button>
      </div>
    </form>`
  })
}
