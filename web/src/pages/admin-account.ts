import { html, nothing, type TemplateResult } from 'lit-html'
import { answer, api, type ManagedAccount, type SignIn, type Upload } from '../api/client'
import { Problem, sentence } from '../api/problem'
import { day, dayAndTime, size } from '../format'
import type { Visit } from '../router'
import { session } from '../session'
import { confirmed } from '../views/dialog'
import { keepDrawn } from '../views/draw'
import { failure, toast } from '../views/notice'
import { PagesOf } from '../views/pages-of'
import { roleNames, roles, type Role } from '../views/roles'
import { moreButton, signInTable } from '../views/sign-in-table'
import { badge } from '../views/upload-card'

/** One account, as an admin sees and changes it. */
export function show({ root, params, left }: Visit): void {
  const path = { id: params.id ?? '' }
  let account: ManagedAccount | undefined
  let error: unknown
  let busy = false
  /** What is ticked and not saved yet. */
  let chosen: Set<Role> | undefined

  const signIns = new PagesOf<SignIn>(
    (from) => answer(api.GET('/admin/accounts/{id}/sign-ins', { params: { path, query: { limit: 10, ...from } }, signal: left })),
    () => redraw(),
  )
  const uploads = new PagesOf<Upload>(
    (from) => answer(api.GET('/admin/accounts/{id}/uploads', { params: { path, query: { limit: 10, ...from } }, signal: left })),
    () => redraw(),
  )
  const redraw = keepDrawn(root, view, left)
  void load().then(() => {
    if (!account) return
    void signIns.load()
    void uploads.load()
  })

  async function load(): Promise<void> {
    error = undefined
    try {
      account = await answer(api.GET('/admin/accounts/{id}', { params: { path }, signal: left }))
      chosen = undefined
    } catch (reason) {
      error = reason
    }
    redraw()
  }

  function view(): TemplateResult {
    const back = html`<a href="/admin">Find another account</a>`
    if (error)
      return error instanceof Problem && error.status === 404
        ? html`<div class="account"><h1>No such account</h1><p>It may have been deleted. ${back}</p></div>`
        : failure(error, () => void load())
    if (!account) return html`<p class="visually-hidden" role="status">Loading the account…</p>`
    const isOwn = account.id === session.user?.id
    return html`<div class="account">
      <div>
        <p>${back}</p>
        <h1 class="account-name">${account.email}</h1>
        ${isOwn ? html`<p class="faint">This is your own account.</p>` : nothing}
      </div>
      <section>
        <h2>Account</h2>
        ${facts(account)}
      </section>
      <section>
        <h2>Roles</h2>
        ${roleForm(account, isOwn)}
      </section>
      <section>
        <h2>Access</h2>
        <p class="faint">What is open in a browser may go on for up to ten minutes.</p>
        <div class="actions">
          <button class="button" type="button" ?disabled=${busy} @click=${endSessions}>End all sessions</button>
          ${account.enabled
            ? html`<button class="button danger" type="button" ?disabled=${busy || isOwn} @click=${disable}>Disable the account</button>`
            : html`<button class="button" type="button" ?disabled=${busy} @click=${enable}>Enable the account</button>`}
        </div>
      </section>
      <section>
        <h2>Sign-ins</h2>
        <p class="faint">Of the last 180 days.</p>
        ${typeof signIns.state === 'object'
          ? failure(signIns.state.failed, () => void signIns.load())
          : signInTable(signIns.items, signIns)}
      </section>
      <section>
        <h2>Uploads</h2>
        ${typeof uploads.state === 'object' ? failure(uploads.state.failed, () => void uploads.load()) : uploadTable()}
      </section>
    </div>`
  }

  function facts({ id, created_at, enabled, confirmed: isConfirmed, last_sign_in, roles: given }: ManagedAccount): TemplateResult {
    const last = last_sign_in
      ? `${dayAndTime(last_sign_in.at)}, ${last_sign_in.device}, ${last_sign_in.address ?? 'unknown address'}`
      : 'not in the last 180 days'
    return html`<dl class="particulars">
      <dt>State</dt>
      <dd>${enabled ? 'Enabled' : html`<strong class="bad">Disabled</strong>`}${isConfirmed ? '' : ', e-mail not confirmed'}</dd>
      <dt>Role</dt>
      <dd>${roleNames(given)}</dd>
      <dt>Since</dt>
      <dd>${created_at ? day(created_at) : 'unknown'}</dd>
      <dt>Last sign-in</dt>
      <dd>${last}</dd>
      <dt>Id</dt>
      <dd>${id}</dd>
    </dl>`
  }

  function roleForm(account: ManagedAccount, isOwn: boolean): TemplateResult {
    const ticked = chosen ?? new Set(account.roles)
    const box = ({ role, name, may }: (typeof roles)[number]) =>
      html`<label class="choice">
        <input
          type="checkbox"
          name=${role}
          .checked=${ticked.has(role)}
          ?disabled=${busy || (isOwn && role === 'admin')}
          @change=${(event: Event) => tick(account, role, (event.currentTarget as HTMLInputElement).checked)}
        />
        <span><strong>${name}</strong> <span class="faint">${may}</span></span>
      </label>`
    const unchanged = ticked.size === account.roles.length && account.roles.every((role) => ticked.has(role))
    return html`<form class="choices" @submit=${saveRoles}>
      <fieldset>
        <legend class="visually-hidden">Roles</legend>
        ${roles.map(box)}
      </fieldset>
      <button class="button" type="submit" ?disabled=${busy || unchanged}>Save the roles</button>
    </form>`
  }

  function uploadTable(): TemplateResult {
    if (uploads.state === 'loaded' && uploads.items.length === 0) return html`<p>None.</p>`
    return html`<div class="table-scroll" tabindex="0" role="region" aria-label="Uploads">
        <table>
          <thead>
            <tr>
              <th scope="col">Name</th>
              <th scope="col">State</th>
              <th scope="col">Size</th>
              <th scope="col">Begun</th>
            </tr>
          </thead>
          <tbody>
            ${uploads.items.map(
              (upload) =>
                html`<tr>
                  <td>${upload.video_id ? html`<a href=${`/watch/${upload.video_id}`}>${upload.name}</a>` : upload.name}</td>
                  <td>${badge[upload.state]}</td>
                  <td>${size(upload.size_bytes)}</td>
                  <td>${dayAndTime(upload.created_at)}</td>
                </tr>`,
            )}
          </tbody>
        </table>
      </div>
      ${moreButton(uploads)}`
  }

  function tick(account: ManagedAccount, role: Role, on: boolean): void {
    chosen = new Set(chosen ?? account.roles)
    if (on) chosen.add(role)
    else chosen.delete(role)
    redraw()
  }

  async function saveRoles(event: SubmitEvent): Promise<void> {
    event.preventDefault()
    if (!account || !chosen) return
    const wanted = roles.map(({ role }) => role).filter((role) => chosen?.has(role))
    const question = {
      title: 'Change the roles?',
      text: `${account.email} will be: ${roleNames(wanted)}. It counts within ten minutes.`,
      yes: 'Change the roles',
      no: 'Cancel',
    }
    await change(question, () => api.PUT('/admin/accounts/{id}/roles', { params: { path }, body: { roles: wanted } }), 'The roles are changed.')
  }

  async function endSessions(): Promise<void> {
    const question = {
      title: 'End all sessions?',
      text: `${account?.email} will have to sign in again on each device.`,
      yes: 'End all sessions',
      no: 'Cancel',
    }
    await change(question, () => api.DELETE('/admin/accounts/{id}/sessions', { params: { path } }), 'All sessions have ended.')
  }

  async function disable(): Promise<void> {
    const question = {
      title: 'Disable the account?',
      text: `${account?.email} is signed out everywhere and can’t sign in any more. Uploads and videos stay.`,
      yes: 'Disable the account',
      no: 'Cancel',
    }
    await change(question, () => api.POST('/admin/accounts/{id}/disable', { params: { path } }), 'The account is disabled.')
  }

  async function enable(): Promise<void> {
    const question = {
      title: 'Enable the account?',
      text: `${account?.email} can sign in again.`,
      yes: 'Enable the account',
      no: 'Cancel',
    }
    await change(question, () => api.POST('/admin/accounts/{id}/enable', { params: { path } }), 'The account is enabled.')
  }

  async function change(
    question: Parameters<typeof confirmed>[0],
    request: () => Promise<{ error?: unknown; response: Response }>,
    done: string,
  ): Promise<void> {
    if (busy || !(await confirmed(question))) return
    busy = true
    redraw()
    try {
      const { error: refused, response } = await request()
      if (!response.ok) throw Problem.from(response.status, refused)
      toast(done)
      await load()
    } catch (reason) {
      toast(sentence(reason))
    }
    busy = false
    redraw()
  }
}
