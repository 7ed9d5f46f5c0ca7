import { html, nothing, type TemplateResult } from 'lit-html'
import { answer, publicApi } from '../api/client'
import { sentence } from '../api/problem'
import { pendingAccount } from '../pending-account'
import { withRedirect } from '../redirect'
import type { Visit } from '../router'
import { keepDrawn } from '../views/draw'
import { brandMark } from '../views/icons'

export function show({ root, query, left, go }: Visit): void {
  let busy = false
  let refusal: string | undefined

  const redraw = keepDrawn(root, view, left)
  root.querySelector('input')?.focus()

  function view(): TemplateResult {
    return html`<section class="sign-in">
      <div class="sign-in-brand">${brandMark}</div>
      <h1>Forgot your password?</h1>
      <p class="faint">We mail you a code by which you choose another one.</p>
      <form class="form" @submit=${submit}>
        ${refusal ? html`<p class="form-error" role="alert">${refusal}</p>` : nothing}
        <label class="field">
          <span>E-mail</span>
          <input name="email" type="email" autocomplete="username" maxlength="128" required ?readonly=${busy} />
        </label>
        <button class="button primary wide" type="submit" ?disabled=${busy}>${busy ? 'Sending…' : 'Send me a code'}</button>
      </form>
      <p class="sign-in-else"><a href=${withRedirect('/sign-in', query)}>Sign in</a></p>
    </section>`
  }

  async function submit(event: SubmitEvent): Promise<void> {
    event.preventDefault()
    if (busy) return
    const email = String(new FormData(event.currentTarget as HTMLFormElement).get('email')).trim()
    busy = true
    refusal = undefined
    redraw()
    try {
      await answer(publicApi.POST('/codes', { body: { email } }))
    } catch (error) {
      busy = false
      refusal = sentence(error)
      redraw()
      return
    }
    Object.assign(pendingAccount, { email, password: undefined })
    if (!left.aborted) go(withRedirect('/confirm', query), { replace: true })
  }
}
