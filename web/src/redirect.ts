const guestPages = ['/sign-in', '/register', '/confirm', '/forgot']

/** Whether this is a page for people who are not signed in. */
export function isForGuests(pathname: string): boolean {
  return guestPages.includes(pathname)
}

/**
 * The path to go to after signing in, taken from an untrusted `redirect` parameter.
 *
 * Only a path on this very site is followed. Browsers read `//host`, `/\host` and paths with tabs or newlines in them as other
 * hosts, so the value must start with a single slash, hold no backslash and no control character, and still be of this origin
 * after the browser's own URL parser has resolved it.
 */
export function safeRedirect(target: string | null, origin: string): string {
  const home = '/'
  if (!target?.startsWith('/') || target.startsWith('//')) return home
  if (/[\\\u0000-\u001f\u007f]/.test(target)) return home
  let resolved: URL
  try {
    resolved = new URL(target, origin)
  } catch {
    return home
  }
  if (resolved.origin !== origin) return home
  // Dot segments can leave two slashes in front ("/.//host"), which would be another host the next time it is resolved.
  if (resolved.pathname.startsWith('//')) return home
  // Signing in to see the sign-in page would go round in a circle.
  if (isForGuests(resolved.pathname)) return home
  return resolved.pathname + resolved.search + resolved.hash
}

/** The address of the sign-in page that comes back to `path`. */
export function signInPath(path: string): string {
  return path === '/' ? '/sign-in' : `/sign-in?${new URLSearchParams({ redirect: path })}`
}

/** The address of another page for guests, from which one gets to where one was heading all the same. */
export function withRedirect(page: string, query: URLSearchParams): string {
  const redirect = query.get('redirect')
  return redirect === null ? page : `${page}?${new URLSearchParams({ redirect })}`
}
