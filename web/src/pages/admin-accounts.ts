import { html, nothing, type TemplateResult } from 'lit-html'
import { answer, api, type AccountSummary } from '../api/client'
import { day } from '../format'
import type { Visit } from '../router'
import { keepDrawn } from '../views/draw'
import { person } from '../views/icons'
import { empty, failure } from '../views/notice'
import { PagesOf } from '../views/pages-of'
import { moreButton } from '../views/sign-in-table'

/** Finds accounts by the beginning of their e-mail, which is in the address so that one comes back to it. */
export function show({ root, query, left, go }: Visit): void {
  const email = query.get('email') ?? ''
  const accounts = new PagesOf<AccountSummary>(
    (from) => answer(api.GET('/admin/accounts', { params: { query: { email, limit: 30, ...from } }, signal: left })),
    () => redraw(),
  )
  const redraw = keepDrawn(root, view, left)
  void accounts.load()

  function view(): TemplateResult {
    return html`<div class="narrow">
      <div class="page-head"><h1>Accounts</h1></div>
      <form class="find" role="search" @submit=${find}>
        <label class="field">
          <span>E-mail begins with</span>
          <input name="email" type="text" inputmode="email" autocapitalize="none" spellcheck="false" maxlength="128" .value=${email} />
        </label>
        <button class="button primary" type="submit">Find</button>
      </form>
      ${content()}
    </div>`
  }

  function content(): TemplateResult {
    const { items, state } = accounts
    if (typeof state === 'object') return failure(state.failed, accounts.load)
    if (state === 'loaded' && items.length === 0 && !accounts.any)
      return empty(person, 'No such account', email ? `No e-mail begins with “${email}”.` : 'Nobody has an account yet.')
    return html`<ul class="accounts">
        ${items.map(row)}
      </ul>
      <p class="more">${moreButton(accounts)}</p>`
  }

  function row(account: AccountSummary): TemplateResult {
    return html`<li>
      <a href=${`/admin/accounts/${encodeURIComponent(account.id)}`}>${account.email}</a>
      <span class="faint">${account.created_at ? `since ${day(account.created_at)}` : nothing}</span>
      ${account.enabled ? nothing : html`<span class="badge failed">Disabled</span>`}
      ${account.confirmed ? nothing : html`<span class="badge">Not confirmed</span>`}
    </li>`
  }

  function find(event: SubmitEvent): void {
    event.preventDefault()
    const wanted = String(new FormData(event.currentTarget as HTMLFormElement).get('email')).trim()
    go(wanted ? `/admin?email=${encodeURIComponent(wanted)}` : '/admin')
  }
}
