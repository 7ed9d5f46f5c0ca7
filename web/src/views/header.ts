import { html, nothing, type TemplateResult } from 'lit-html'
import { Problem, sentence } from '../api/problem'
import { session } from '../session'
import { currentTheme, onSystemTheme, toggleTheme } from '../theme'
import { transfers } from '../upload/transfers'
import { keepDrawn } from './draw'
import { arrowUp, brandMark, broadcast, door, film, list, moon, people, person, sun, warning } from './icons'
import { toast } from './notice'

/** Draws the header and keeps it true. The returned function tells it which page is shown. */
export function showHeader(root: HTMLElement, onSignedOut: () => void): (path: string) => void {
  let path = location.pathname
  const redraw = keepDrawn(root, () => header(path, onSignedOut, () => redraw()))
  session.addEventListener('changed', redraw)
  transfers.addEventListener('changed', redraw)
  onSystemTheme(redraw)
  return (shown) => {
    path = shown
    redraw()
  }
}

function header(path: string, onSignedOut: () => void, redraw: () => void): TemplateResult {
  const dark = currentTheme() === 'dark'
  return html`<div class="header-bar">
    <a class="brand" href="/">${brandMark}<span>Matinee</span></a>
    ${session.user ? navigation(path) : nothing}
    <span class="header-space"></span>
    ${session.user ? underWay(path) : nothing}
    <button
      class="icon-button"
      type="button"
      aria-label=${dark ? 'Use light colours' : 'Use dark colours'}
      title=${dark ? 'Use light colours' : 'Use dark colours'}
      @click=${() => {
        toggleTheme()
        redraw()
      }}
    >
      ${dark ? sun : moon}
    </button>
    ${session.user ? account(session.user.email, onSignedOut) : nothing}
  </div>`
}

function navigation(path: string): TemplateResult {
  const link = (to: string, label: string, icon: TemplateResult) =>
    html`<a href=${to} aria-current=${path === to ? 'page' : nothing}>${icon}<span>${label}</span></a>`
  return html`<nav aria-label="Main">
    ${link('/', 'Library', film)}${link('/live', 'Live', broadcast)}
    ${session.mayPublish ? html`${link('/upload', 'Upload', arrowUp)}${link('/uploads', 'My uploads', list)}` : nothing}
  </nav>`
}

/** How far the files on their way are, on every page but the one that shows them anyway. */
function underWay(path: string): TemplateResult | typeof nothing {
  const unfinished = transfers.list.filter((transfer) => transfer.isUnfinished)
  if (unfinished.length === 0 || path === '/upload' || path === '/uploads') return nothing
  const total = unfinished.reduce((sum, transfer) => sum + transfer.sizeBytes, 0)
  const sent = unfinished.reduce((sum, transfer) => sum + transfer.sentBytes, 0)
  const active = unfinished.some((transfer) => transfer.isActive)
  const percent = Math.floor((sent / Math.max(1, total)) * 100)
  return html`<a class="under-way" href="/uploads">${active ? 'Uploading' : 'Upload paused'}, ${percent} %</a>`
}

function account(email: string, onSignedOut: () => void): TemplateResult {
  return html`<button class="icon-button account-button" type="button" popovertarget="account-menu" aria-label="Account">
      ${person}
    </button>
    <div id="account-menu" popover>
      <p class="account-email"><span class="faint">Signed in as</span><br /><strong>${email}</strong></p>
      <a class="menu-item" href="/account" @click=${closeMenu}>${person} Account</a>
      ${session.isAdmin
        ? html`<a class="menu-item" href="/admin" @click=${closeMenu}>${people} Manage accounts</a>
            <a class="menu-item" href="/admin/jobs" @click=${closeMenu}>${warning} Failed jobs</a>`
        : nothing}
      <button class="menu-item" type="button" @click=${() => signOut(onSignedOut)}>${door} Sign out</button>
    </div>`
}

function closeMenu(): void {
  document.getElementById('account-menu')?.hidePopover()
}

async function signOut(onSignedOut: () => void): Promise<void> {
  closeMenu()
  try {
    await session.signOut()
    onSignedOut()
  } catch (error) {
    toast(error instanceof Problem && error.status === 0 ? 'You are still signed in: Matinee can’t be reached.' : sentence(error))
  }
}
