import { html, nothing, type TemplateResult } from 'lit-html'

/** The rule for new passwords, told before one types. The server has it in functions/accounts/src/credentials.rs. */
export const MIN_PASSWORD_LENGTH = 12
const RULE = 'At least 12 characters, 5 of them different. A few words in a row are good; signs and digits are not needed.'

export interface PasswordField {
  /** Name and id of the input. */
  name: string
  label: string
  /** A password to be, rather than one that exists: the rule is shown. */
  isNew: boolean
  busy: boolean
  shown: boolean
  onReveal(): void
}

/** A field for a password, with a button that shows what was typed. */
export function passwordField({ name, label, isNew, busy, shown, onReveal }: PasswordField): TemplateResult {
  return html`<div class="field">
    <label for=${name}>${label}</label>
    <span class="with-button">
      <input
        id=${name}
        name=${name}
        type=${shown ? 'text' : 'password'}
        autocomplete=${isNew ? 'new-password' : 'current-password'}
        minlength=${isNew ? MIN_PASSWORD_LENGTH : nothing}
        maxlength="256"
        aria-describedby=${isNew ? `${name}-rule` : nothing}
        required
        ?readonly=${busy}
      />
      <button class="text-button" type="button" aria-pressed=${shown} aria-label="Show password" @click=${onReveal}>
        ${shown ? 'Hide' : 'Show'}
      </button>
    </span>
    ${isNew ? html`<small id="${name}-rule" class="faint">${RULE}</small>` : nothing}
  </div>`
}
