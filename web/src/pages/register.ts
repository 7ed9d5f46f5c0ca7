import { html, nothing, type TemplateResult } from 'lit-html'
import { answer, publicApi } from '../api/client'
import { sentence } from '../api/problem'
import { pendingAccount } from '../pending-account'
import { withRedirect } from '../redirect'
import type { Visit } from '../router'
import { keepDrawn } from '../views/draw'
import { brandMark } from '../views/icons'
import { passwordField } from '../views/password-field'

export function show({ root, query, left, go }: Visit): void {
  let busy = false
  let shown = false
  let refusal: string | undefined

  const redraw = keepDrawn(root, view, left)
  root.querySelector('input')?.focus()

  function view(): TemplateResult {
    return html`<section class="sign-in">
      <div class="sign-in-brand">${brandMark}</div>
      <h1>Register</h1>
      <form class="form" @submit=${submit}>
        ${refusal ? html`<p class="form-error" role="alert">${refusal}</p>` : nothing}
        <label class="field">
          <span>E-mail</span>
          <input name="email" type="email" autocomplete="username" maxlength="128" required ?readonly=${busy} />
        </label>
        ${passwordField({ name: 'password', label: 'Password', isNew: true, busy, shown, onReveal: reveal })}
        <button class="button primary wide" type="submit" ?disabled=${busy}>${busy ? 'Registering…' : 'Register'}</button>
      </form>
      <p class="sign-in-else"><a href=${withRedirect('/sign-in', query)}>I have an account</a></p>
    </section>`
  }

  function reveal(): void {
    shown = !shown
    redraw()
  }

  async function submit(event: SubmitEvent): Promise<void> {
    event.preventDefault()
    if (busy) return
    const fields = new FormData(event.currentTarget as HTMLFormElement)
    const email = String(fields.get('email')).trim()
    const password = String(fields.get('password'))
    busy = true
    refusal = undefined
    redraw()
    try {
      await answer(publicApi.POST('/sign-up', { body: { email, password } }))
    } catch (error) {
      busy = false
      refusal = sentence(error)
      redraw()
      root.querySelector<HTMLInputElement>('#password')?.select()
      return
    }
    Object.assign(pendingAccount, { email, password })
    if (!left.aborted) go(withRedirect('/confirm', query), { replace: true })
  }
}
