import { html, nothing, type TemplateResult } from 'lit-html'
import { Problem, sentence } from '../api/problem'
import { again, warning } from './icons'

/**
 * What stands in place of a page or a list that could not be loaded. Trying again is offered where it may help; the request is named where
 * the server has something to look up.
 */
export function failure(error: unknown, retry: () => void, instead?: TemplateResult): TemplateResult {
  const lasting = error instanceof Problem && !error.isPassing
  const requestId = error instanceof Problem && error.status >= 500 ? error.requestId : undefined
  return html`<section class="notice" role="alert">
    <span class="notice-icon">${warning}</span>
    <p>${sentence(error)}</p>
    ${requestId ? html`<p class="faint">If you report this, name the request ${requestId}.</p>` : nothing}
    ${lasting ? nothing : html`<button class="button" type="button" @click=${retry}>${again} Try again</button>`}
    ${instead ?? nothing}
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
