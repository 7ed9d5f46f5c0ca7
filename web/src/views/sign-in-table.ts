import { html, nothing, type TemplateResult } from 'lit-html'
import type { SignIn } from '../api/client'
import { dayAndTime } from '../format'

/** Attempts to sign in, newest first, with a button for those before. */
export function signInTable(signIns: SignIn[], more: { loading: boolean; any: boolean; load(): void }): TemplateResult {
  const row = (signIn: SignIn) =>
    html`<tr>
      <td>${dayAndTime(signIn.at)}</td>
      <td>${signIn.outcome === 'signed-in' ? 'Signed in' : html`<strong class="bad">Refused</strong>`}</td>
      <td>${signIn.device}</td>
      <td>${signIn.address ?? 'unknown'}</td>
    </tr>`
  return html`<div class="table-scroll" tabindex="0" role="region" aria-label="Sign-ins">
      <table>
        <thead>
          <tr>
            <th scope="col">Time</th>
            <th scope="col">Outcome</th>
            <th scope="col">Device</th>
            <th scope="col">Address</th>
          </tr>
        </thead>
        <tbody>
          ${signIns.map(row)}
        </tbody>
      </table>
    </div>
    ${moreButton(more)}`
}

/** `Show more`, as long as there is more. */
export function moreButton({ loading, any, load }: { loading: boolean; any: boolean; load(): void }): TemplateResult | typeof nothing {
  if (!any && !loading) return nothing
  return html`<button class="button" type="button" ?disabled=${loading} @click=${load}>${loading ? 'Loading…' : 'Show more'}</button>`
}
