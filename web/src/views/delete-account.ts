import { html, nothing } from 'lit-html'
import { answer, api } from '../api/client'
import { sentence } from '../api/problem'
import { openDialog } from './dialog'
import { passwordField } from './password-field'

/** The dialog that asks for the password once more and has the account deleted. True when it is. */
export async function deleteAccount(): Promise<boolean> {
  let busy = false
  let shown = false
  let refusal: string | undefined

  const deleted = await openDialog<true>('Delete my account', ({ close, redraw }) => {
    async function submit(event: SubmitEvent): Promise<void> {
      event.preventDefault()
      if (busy) return
      const password = String(new FormData(event.currentTarget as HTMLFormElement).get('proof'))
      busy = true
      refusal = undefined
      redraw()
      try {
        await answer(api.POST('/me/deletion', { body: { password } }))
        close(true)
        return
      } catch (error) {
        refusal = sentence(error)
      }
      busy = false
      redraw()
    }

    return html`<form class="dialog-body" @submit=${submit}>
      <h2>Delete my account</h2>
      <p>Your uploads, videos and history are removed for good. Nobody can bring them back.</p>
      ${refusal ? html`<p class="form-error" role="alert">${refusal}</p>` : nothing}
      ${passwordField({
        name: 'proof',
        label: 'Your password',
        isNew: false,
        busy,
        shown,
        onReveal: () => {
          shown = !shown
          redraw()
        },
      })}
      <div class="dialog-actions">
        <button class="button" type="button" @click=${() => close()}>Cancel</button>
        <button class="button danger" type="submit" ?disabled=${busy}>${busy ? 'Deleting…' : 'Delete my account'}</button>
      </div>
    </form>`
  })
  return deleted ?? false
}
