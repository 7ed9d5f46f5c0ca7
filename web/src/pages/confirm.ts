import { html, nothing, type TemplateResult } from 'lit-html'
import { answer, publicApi } from '../api/client'
import { sentence } from '../api/problem'
import { pendingAccount } from '../pending-account'
import { safeRedirect, withRedirect } from '../redirect'
import type { Visit } from '../router'
import { session } from '../session'
import { keepDrawn } from '../views/draw'
import { brandMark } from '../views/icons'
import { toast } from '../views/notice'
import { passwordField } from '../views/password-field'

/** Where a code from a mail is entered: the one that confirms a new account, and the one that resets a password. */
export function show({ root, query, left, go }: Visit): void {
  let busy = false
  let shown = false
  let refusal: string | undefined
  const { email, password } = pendingAccount

  const redraw = keepDrawn(root, view, left)
  root.querySelector('input')?.focus()

  function view(): TemplateResult {
    return html`<section class="sign-in">
      <div class="sign-in-brand">${brandMark}</div>
      <h1>Enter your code</h1>
      ${email
        ? html`<p class="faint">If all is well, a mail with six digits is on its way to <strong>${email}</strong>.</p>`
        : nothing}
      <form class="form" @submit=${submit}>
        ${refusal ? html`<p class="form-error" role="alert">${refusal}</p>` : nothing}
        ${email
          ? html`<input type="email" name="email" autocomplete="username" .value=${email} hidden />`
          : html`<label class="field">
              <span>E-mail</span>
              <input name="email" type="email" autocomplete="username" maxlength="128" required ?readonly=${busy} />
            </label>`}
        <label class="field">
          <span>Code</span>
          <input
            id="code"
            name="code"
            inputmode="numeric"
            autocomplete="one-time-code"
            pattern="\\s*([0-9]\\s*){6}"
            title="the six digits from the mail"
            maxlength="20"
            required
            ?readonly=${busy}
          />
        </label>
        ${password
          ? nothing
          : passwordField({ name: 'password', label: 'Password from now on', isNew: true, busy, shown, onReveal: reveal })}
        <button class="button primary wide" type="submit" ?disabled=${busy}>${busy ? 'One moment…' : 'Confirm and sign in'}</button>
      </form>
      <p class="sign-in-else">
        ${email
          ? html`<button class="text-button" type="button" ?disabled=${busy} @click=${sendAnother}>Send another code</button>`
          : html`<a href=${withRedirect('/forgot', query)}>Send me a code</a>`}
        <a href=${withRedirect('/sign-in', query)}>Sign in</a>
      </p>
    </section>`
  }

  function reveal(): void {
    shown = !shown
    redraw()
  }

  async function sendAnother(): Promise<void> {
    if (!email || busy) return
    busy = true
    redraw()
    try {
      await answer(publicApi.POST('/codes', { body: { email } }))
      refusal = undefined
      toast('Another code is on its way.')
    } catch (error) {
      refusal = sentence(error)
    }
    busy = false
    redraw()
  }

  async function submit(event: SubmitEvent): Promise<void> {
    event.preventDefault()
    if (busy) return
    const fields = new FormData(event.currentTarget as HTMLFormElement)
    const account = email ?? String(fields.get('email')).trim()
    const chosen = password ?? String(fields.get('password'))
    busy = true
    refusal = undefined
    redraw()
    try {
      await answer(publicApi.POST('/codes/redeem', { body: { email: account, code: String(fields.get('code')), password: chosen } }))
    } catch (error) {
      busy = false
      refusal = sentence(error)
      redraw()
      root.querySelector<HTMLInputElement>('#code')?.select()
      return
    }
    Object.assign(pendingAccount, { email: undefined, password: undefined })
    try {
      await session.signIn(account, chosen)
    } catch (error) {
      // The account is confirmed. What is in the way of signing in, a lock for instance, is told where that is tried again.
      toast(sentence(error))
      if (!left.aborted) go(withRedirect('/sign-in', query), { replace: true })
      return
    }
    if (!left.aborted) go(safeRedirect(query.get('redirect'), location.origin), { replace: true })
  }
}
