import { html, render, type TemplateResult } from 'lit-html'

/**
 * Opens a modal dialog and draws `view` into it. The view gets `close`, and `redraw` for when its state has changed. Resolves with
 * what it was closed with; Escape and the view's own cancel button give undefined.
 */
export function openDialog<Result>(
  label: string,
  view: (controls: { close(result?: Result): void; redraw(): void }) => TemplateResult,
): Promise<Result | undefined> {
  const dialog = document.createElement('dialog')
  dialog.setAttribute('aria-label', label)
  document.body.append(dialog)
  return new Promise((resolve) => {
    let result: Result | undefined
    const close = (outcome?: Result) => {
      result = outcome
      dialog.close()
    }
    const redraw = () => render(view({ close, redraw }), dialog)
    dialog.addEventListener('close', () => {
      dialog.remove()
      resolve(result)
    })
    // Keys pressed here are meant for the dialog, not for the player behind it.
    dialog.addEventListener('keydown', (event) => event.stopPropagation())
    redraw()
    dialog.showModal()
  })
}

/** Asks before something that can't be undone. True when confirmed. */
export async function confirmed(question: { title: string; text: string; yes: string; no: string }): Promise<boolean> {
  const sure = await openDialog<true>(
    question.title,
    ({ close }) => html`<div class="dialog-body">
      <h2>${question.title}</h2>
      <p>${question.text}</p>
      <div class="dialog-actions">
        <button class="button" type="button" autofocus @click=${() => close()}>${question.no}</button>
        <button class="button danger" type="button" @click=${() => close(true)}>${question.yes}</button>
      </div>
    </div>`,
  )
  return sure ?? false
}
