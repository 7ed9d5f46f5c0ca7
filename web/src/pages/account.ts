import { html, nothing, type TemplateResult } from 'lit-html'
import { answer, api, type SignIn } from '../api/client'
import { sentence } from '../api/problem'
import type { Visit } from '../router'
import { session } from '../session'
import { deleteAccount } from '../views/delete-account'
import { confirmed } from '../views/dialog'
import { keepDrawn } from '../views/draw'
import { failure, toast } from '../views/notice'
import { passwordField } from '../views/password-field'
import { roleNames } from '../views/roles'
import { signInTable } from '../views/sign-in-table'

export function show({ root, left, go }: Visit): void {
  let busy = false
  let shown = false
  let refusal: string | undefined
  let signIns: SignIn[] = []
  let next: string | undefined
  let listing: 'loading' | 'loaded' | { failed: unknown } = 'loading'

  const redraw = keepDrawn(root, view, left)
  void load()

  function view(): TemplateResult {
    const user = session.user
    if (!user) return html``
    return html`<div class="account">
      <h1>Account</h1>
      <section>
        <h2>You</h2>
        <dl class="particulars">
          <dt>E-mail</dt>
          <dd>${user.email}</dd>
          <dt>Role</dt>
          <dd>${roleNames(user.roles)}</dd>
        </dl>
      </section>
      <section>
        <h2>Password</h2>
        <p class="faint">Whoever else is signed in to this account is signed out.</p>
        <form class="form" @submit=${changePassword}>
          ${refusal ? html`<p class="form-error" role="alert">${refusal}</p>` : nothing}
          <input type="email" name="email" autocomplete="username" .value=${user.email} hidden />
          ${passwordField({ name: 'old', label: 'Password until now', isNew: false, busy, shown, onReveal: reveal })}
          ${passwordField({ name: 'new', label: 'Password from now on', isNew: true, busy, shown, onReveal: reveal })}
          <button class="button primary" type="submit" ?disabled=${busy}>${busy ? 'Changing…' : 'Change the password'}</button>
        </form>
      </section>
      <section>
        <h2>Sessions</h2>
        <p>
          Signing out everywhere ends your sessions on all devices, this one included. What is already open elsewhere may go on
          for up to ten minutes.
        </p>
        <button class="button" type="button" ?disabled=${busy} @click=${signOutEverywhere}>Sign out everywhere</button>
      </section>
      <section>
        <h2>Sign-ins</h2>
        <p class="faint">Of the last 180 days. If one of them wasn’t you, change your password.</p>
        ${history()}
      </section>
      <section>
        <h2>Your data</h2>
        <p>A file with everything that is kept about you: account, sign-ins, uploads and videos.</p>
        <button class="button" type="button" ?disabled=${busy} @click=${exportAll}>Download my data</button>
        <p>Deleting the account removes your uploads, your videos and your history for good.</p>
        <button class="button danger" type="button" ?disabled=${busy} @click=${removeAccount}>Delete my account</button>
      </section>
    </div>`
  }

  function history(): TemplateResult {
    if (typeof listing === 'object') return failure(listing.failed, () => void load())
    return signInTable(signIns, { loading: listing === 'loading', any: next !== undefined, load: () => void load() })
  }

  function reveal(): void {
    shown = !shown
    redraw()
  }

  async function load(): Promise<void> {
    listing = 'loading'
    redraw()
    try {
      const query = { limit: 10, ...(next ? { cursor: next } : {}) }
      const page = await answer(api.GET('/me/sign-ins', { params: { query }, signal: left }))
      signIns = [...signIns, ...page.items]
      next = page.next_cursor
      listing = 'loaded'
    } catch (error) {
      listing = { failed: error }
    }
    redraw()
  }

  async function changePassword(event: SubmitEvent): Promise<void> {
    event.preventDefault()
    if (busy) return
    const form = event.currentTarget as HTMLFormElement
    const fields = new FormData(form)
    busy = true
    refusal = undefined
    redraw()
    try {
      const body = { old_password: String(fields.get('old')), password: String(fields.get('new')) }
      session.begin(await answer(api.POST('/me/password', { body })))
      form.reset()
      toast('The password is changed. Other sessions have ended.')
    } catch (error) {
      refusal = sentence(error)
    }
    busy = false
    redraw()
  }

  async function signOutEverywhere(): Promise<void> {
    const sure = await confirmed({
      title: 'Sign out everywhere?',
      text: 'You will have to sign in again on each device.',
      yes: 'Sign out everywhere',
      no: 'Cancel',
    })
    if (!sure) return
    try {
      await session.signOutEverywhere()
      go('/sign-in')
    } catch (error) {
      toast(sentence(error))
    }
  }

  async function exportAll(): Promise<void> {
    busy = true
    redraw()
    try {
      const all = await answer(api.GET('/me/export', { signal: left }))
      const link = document.createElement('a')
      link.href = URL.createObjectURL(new Blob([JSON.stringify(all, null, 2)], { type: 'application/json' }))
      link.download = 'matinee-account.json'
      link.click()
      // The download has its own hold on the bytes once it has begun.
      setTimeout(() => URL.revokeObjectURL(link.href), 60_000)
    } catch (error) {
      toast(sentence(error))
    }
    busy = false
    redraw()
  }

  async function removeAccount(): Promise<void> {
    if (!(await deleteAccount())) return
    await session.signOut().catch(() => undefined)
    go('/sign-in', { replace: true })
    toast('Your account is closed and is being removed.')
  }
}
