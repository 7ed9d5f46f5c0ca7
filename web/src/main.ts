import './styles/main.css'

import { render } from 'lit-html'
import { Problem } from './api/problem'
import { Router, type Route } from './router'
import { isForGuests, safeRedirect, signInPath } from './redirect'
import { session } from './session'
import { showHeader } from './views/header'
import { failure } from './views/notice'

const routes: Route[] = [
  { path: '/', title: 'Library', load: () => import('./pages/library') },
  { path: '/watch/{id}', title: 'Watch', load: () => import('./pages/watch') },
  // The channel is in the query: `/live/{channel}` is where the relay streams it.
  { path: '/live', title: 'Live', load: () => import('./pages/live') },
  { path: '/upload', title: 'Upload', load: () => import('./pages/upload') },
  { path: '/uploads', title: 'My uploads', load: () => import('./pages/uploads') },
  { path: '/account', title: 'Account', load: () => import('./pages/account') },
  { path: '/admin/jobs', title: 'Failed jobs', admin: true, load: () => import('./pages/admin-jobs') },
  { path: '/admin', title: 'Accounts', admin: true, load: () => import('./pages/admin-accounts') },
  { path: '/admin/accounts/{id}', title: 'Account', admin: true, load: () => import('./pages/admin-account') },
  { path: '/register', title: 'Register', open: true, load: () => import('./pages/register') },
  { path: '/confirm', title: 'Enter your code', open: true, load: () => import('./pages/confirm') },
  { path: '/forgot', title: 'Forgot your password', open: true, load: () => import('./pages/forgot') },
  { path: '/sign-in', title: 'Sign in', open: true, load: () => import('./pages/sign-in') },
]

const notFound: Route = { path: '', title: 'Not found', open: true, load: () => import('./pages/not-found') }

const main = document.getElementById('main') as HTMLElement
const here = () => location.pathname + location.search

const tellHeader = showHeader(document.getElementById('header') as HTMLElement, () => router.go('/sign-in'))

const router = new Router({
  routes,
  notFound,
  main,
  gate(route, path) {
    if (isForGuests(route.path))
      return session.user ? safeRedirect(new URLSearchParams(location.search).get('redirect'), location.origin) : undefined
    if (!route.open && !session.user) return signInPath(path)
    return route.admin && !session.isAdmin ? '/' : undefined
  },
  onShown: tellHeader,
  onFailed: (root, _error, retry) => render(failure(Problem.unreachable(), retry), root),
})

session.addEventListener('ended', () => {
  if (!isForGuests(location.pathname)) router.go(signInPath(here()))
})

// After a deployment the chunks of the old pages are gone: load the new pages, but not again and again.
window.addEventListener('vite:preloadError', (event) => {
  const last = Number(sessionStorage.getItem('matinee-reloaded-at') ?? 0)
  if (Date.now() - last < 30_000) return
  event.preventDefault()
  sessionStorage.setItem('matinee-reloaded-at', String(Date.now()))
  location.reload()
})

async function start(): Promise<void> {
  render('', main)
  try {
    await session.restore()
  } catch (error) {
    render(failure(error, () => void start()), main)
    return
  }
  main.replaceChildren()
  router.start()
}

void start()
