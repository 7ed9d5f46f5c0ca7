/** One showing of a page: what it may know and where it draws. */
export interface Visit {
  /** Empty when the page starts; gone from the document when `left` fires. */
  root: HTMLElement
  params: Readonly<Record<string, string>>
  query: URLSearchParams
  /** Fires when the visitor goes to another page: stop timers and requests. */
  left: AbortSignal
  /** True when the visitor came by the browser's back or forward button. */
  returning: boolean
  /** Goes to another page. `replace` leaves no trace of this one in the history. */
  go(path: string, options?: { replace?: boolean }): void
}

export interface Page {
  /** Draws the page. May go on working until `visit.left` fires. */
  show(visit: Visit): void | Promise<void>
}

export interface Route {
  /** `/watch/{id}`: names in braces become `params`. */
  path: string
  title: string
  /** Needs no session. */
  open?: boolean
  /** Is for admins. Others wouldn't be answered anyway, but are spared the sight. */
  admin?: boolean
  load(): Promise<Page>
}

/** Finds the route for a path, with its parameters decoded. */
export function matchRoute(
  routes: readonly Route[],
  path: string,
): { route: Route; params: Record<string, string> } | undefined {
  for (const route of routes) {
    const params = matchPath(route.path, path)
    if (params) return { route, params }
  }
  return undefined
}

function matchPath(pattern: string, path: string): Record<string, string> | undefined {
  const expected = pattern.split('/')
  const given = path.length > 1 ? path.replace(/\/$/, '').split('/') : path.split('/')
  if (expected.length !== given.length) return undefined
  const params: Record<string, string> = {}
  for (const [index, segment] of expected.entries()) {
    const value = given[index] ?? ''
    const name = /^\{(.+)\}$/.exec(segment)?.[1]
    if (name) {
      if (value === '') return undefined
      try {
        params[name] = decodeURIComponent(value)
      } catch {
        return undefined
      }
    } else if (segment !== value) return undefined
  }
  return params
}

export interface RouterOptions {
  routes: readonly Route[]
  notFound: Route
  main: HTMLElement
  /** Where to send a visitor who has no session, or undefined when there is one. */
  gate(route: Route, path: string): string | undefined
  /** Called with each page shown, for the header. */
  onShown(path: string): void
  /** Called when a page's code could not be loaded. */
  onFailed(root: HTMLElement, error: unknown, retry: () => void): void
}

/** Client-side navigation by the history API: one page at a time, links intercepted, focus and title moved along. */
export class Router {
  readonly #options: RouterOptions
  #leave = new AbortController()
  #shownPath = ''

  constructor(options: RouterOptions) {
    this.#options = options
  }

  /** Shows the page of the current address and follows links from now on. */
  start(): void {
    document.addEventListener('click', this.#followLink)
    window.addEventListener('popstate', () => {
      // A jump to a fragment (the skip link) is a popstate too; the page stays.
      if (location.pathname + location.search !== this.#shownPath) void this.#show(true)
    })
    void this.#show(false, true)
  }

  /** Goes to a path of this site. `replace` leaves no trace in the history. */
  readonly go = (path: string, { replace = false }: { replace?: boolean } = {}): void => {
    if (replace) history.replaceState(null, '', path)
    else history.pushState(null, '', path)
    void this.#show(false)
  }

  readonly #followLink = (event: MouseEvent): void => {
    if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey)
      return
    const link = event.target instanceof Element ? event.target.closest('a') : null
    if (!link || link.target || link.hasAttribute('download') || link.origin !== location.origin) return
    if (link.hash && link.pathname === location.pathname && link.search === location.search) return
    event.preventDefault()
    this.go(link.pathname + link.search + link.hash)
  }

  async #show(returning: boolean, first = false): Promise<void> {
    const { routes, notFound, main, gate, onShown, onFailed } = this.#options
    const path = location.pathname + location.search
    const { route, params } = matchRoute(routes, location.pathname) ?? { route: notFound, params: {} }
    const elsewhere = gate(route, path)
    if (elsewhere) {
      this.go(elsewhere, { replace: true })
      return
    }
    this.#shownPath = path
    this.#leave.abort()
    this.#leave = new AbortController()
    const { signal: left } = this.#leave
    document.title = `${route.title} · Matinee`
    const root = document.createElement('div')
    root.className = 'page'
    let page: Page
    try {
      page = await route.load()
    } catch (error) {
      if (left.aborted) return
      main.replaceChildren(root)
      onFailed(root, error, () => void this.#show(returning))
      return
    }
    if (left.aborted) return
    main.replaceChildren(root)
    onShown(location.pathname)
    if (!first) {
      if (!returning) window.scrollTo(0, 0)
      // Keyboards and screen readers go on from the new page rather than from a link that is gone.
      main.focus({ preventScroll: true })
    }
    await page.show({ root, params, query: new URLSearchParams(location.search), left, returning, go: this.go })
  }
}
