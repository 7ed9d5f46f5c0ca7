import { html, nothing, type TemplateResult } from 'lit-html'
import { sentence } from '../api/problem'
import { safeRedirect, withRedirect } from '../redirect'
import type { Visit } from '../router'
import { session } from '../session'
import { keepDrawn } from '../views/draw'
import { greet } from '../views/greeting'
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
      <h1>Sign in to Matinee</h1>
      ${query.has('redirect') ? html`<p class="faint">You’ll go straight on to where you were heading.</p>` : nothing}
      <form class="form" @submit=${submit}>
        ${refusal ? html`<p class="form-error" role="alert">${refusal}</p>` : nothing}
        <label class="field">
          <span>E-mail</span>
          <input name="email" type="email" autocomplete="username" required ?readonly=${busy} />
        </label>
        ${passwordField({ name: 'password', label: 'Password', isNew: false, busy, shown, onReveal: reveal })}
        <button class="button primary wide" type="submit" ?disabled=${busy}>${busy ? 'Signing in…' : 'Sign in'}</button>
      </form>
      <p class="sign-in-else">
        <a href=${withRedirect('/register', query)}>Register</a>
        <a href=${withRedirect('/forgot', query)}>Forgot your password?</a>
        <a href=${withRedirect('/confirm', query)}>Enter a code</a>
      </p>
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
    busy = true
    refusal = undefined
    redraw()
    try {
      greet(await session.signIn(String(fields.get('email')).trim(), String(fields.get('password'))))
    } catch (error) {
      busy = false
      refusal = sentence(error)
      redraw()
      root.querySelector<HTMLInputElement>('#password')?.select()
      return
    }
    if (!left.aborted) go(safeRedirect(query.get('redirect'), location.origin), { replace: true })
  }
}
