import { html, nothing, type TemplateResult } from 'lit-html'
import { Problem, sentence } from '../api/problem'
import { again, warning } from './icons'

/** What stands in place of a page or a list that could not be loaded. */
export function failure(error: unknown, retry?: () => void): TemplateResult {
  return html`<section class="notice" role="alert">
    <span class="notice-icon">${warning}</span>
    <p>${sentence(error)}</p>
    ${error instanceof Problem && error.requestId
      ? html`<p class="faint">If you report this, name the request ${error.requestId}.</p>`
      : nothing}
    ${retry ? html`<button class="button" type="button" @click=${retry}>${again} Try again</button>` : nothing}
  </section>`
}

/** What stands where there is nothing yet. */
export function empty(icon: TemplateResult, title: string, text: string, action?: TemplateResult): TemplateResult {
  return html`<section class="notice">
    <span class="notice-icon">${icon}</span>
    <h2>${title}</h2>
    <p>${text}</p>
    ${action ?? nothing}
  </section>`
}

/** A few words at the bottom of the window, read out by screen readers, gone after some seconds. */
export function toast(text: string): void {
  const toasts = document.getElementById('toasts')
  if (!toasts) return
  const note = document.createElement('p')
  note.className = 'toast'
  note.textContent = text
  toasts.append(note)
  setTimeout(() => note.remove(), 6000)
}
