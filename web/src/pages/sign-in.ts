import { html, nothing, type TemplateResult } from 'lit-html'
import { sentence } from '../api/problem'
import { safeRedirect } from '../redirect'
import type { Visit } from '../router'
import { session } from '../session'
import { keepDrawn } from '../views/draw'
import { brandMark } from '../views/icons'

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
        <div class="field">
          <label for="password">Password</label>
          <span class="with-button">
            <input
              id="password"
              name="password"
              type=${shown ? 'text' : 'password'}
              autocomplete="current-password"
              required
              ?readonly=${busy}
            />
            <button class="text-button" type="button" aria-pressed=${shown} aria-label="Show password" @click=${reveal}>
              ${shown ? 'Hide' : 'Show'}
            </button>
          </span>
        </div>
        <button class="button primary wide" type="submit" ?disabled=${busy}>${busy ? 'Signing in…' : 'Sign in'}</button>
      </form>
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
      await session.signIn(String(fields.get('email')).trim(), String(fields.get('password')))
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
