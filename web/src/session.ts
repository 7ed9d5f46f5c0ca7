import { Problem } from './api/problem'
import type { operations } from './api/schema.gen'

type SessionAnswer = operations['sign_in']['responses'][200]['content']['application/json']
type RefreshAnswer = operations['refresh_session']['responses'][200]['content']['application/json']

/** What begins a session: a sign-in, or a change of password, which ends all sessions before it. */
export type Beginning = SessionAnswer

export type User = operations['get_me']['responses'][200]['content']['application/json']

/** A token with less than this left is renewed before it is used, so that a request never leaves with a dying one. */
const RENEW_BEFORE_EXPIRY_MS = 45_000

/**
 * The signed-in session of this page.
 *
 * The access token lives in memory only, for minutes. What survives a reload is an HttpOnly cookie that only
 * `/api/session` sees; `restore` trades it for a new access token. Requests that find the token dying or refused share one refresh.
 *
 * Events: `changed` when the user signs in or out, `ended` when the server no longer knows the session.
 */
export class Session extends EventTarget {
  #user: User | undefined
  #token: { value: string; expiresAtMs: number } | undefined
  #refreshing: Promise<void> | undefined
  /** Tells the other tabs that this one has signed out. */
  readonly #tabs = typeof BroadcastChannel === 'undefined' ? undefined : new BroadcastChannel('matinee-session')

  constructor() {
    super()
    this.#tabs?.addEventListener('message', () => this.#end())
  }

  get user(): User | undefined {
    return this.#user
  }

  get mayPublish(): boolean {
    return this.#user?.roles.some((role) => role === 'publisher' || role === 'admin') ?? false
  }

  get isAdmin(): boolean {
    return this.#user?.roles.includes('admin') ?? false
  }

  /** Takes up the session that the cookie holds. False when there is none. */
  async restore(): Promise<boolean> {
    try {
      await this.#refresh()
      const response = await this.fetch(new Request(new URL('/api/me', location.origin)))
      this.#user = await answerOf<User>(response)
      this.#changed()
      return true
    } catch (error) {
      if (error instanceof Problem && error.status === 401) return false
      throw error
    }
  }

  /** Answers how this account was signed in to before, if it was. */
  async signIn(email: string, password: string): Promise<SessionAnswer['previous_sign_in']> {
    const answer = await answerOf<SessionAnswer>(
      await send(
        new Request(new URL('/api/session', location.origin), {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ email, password }),
        }),
      ),
    )
    this.begin(answer)
    return answer.previous_sign_in
  }

  /** Goes on with a session that has just begun. */
  begin(answer: Beginning): void {
    this.#keep(answer)
    this.#user = answer.user
    this.#changed()
  }

  /** Ends all sessions of this account on the server, and this one here. */
  async signOutEverywhere(): Promise<void> {
    const response = await this.fetch(new Request(new URL('/api/sessions', location.origin), { method: 'DELETE' }))
    if (!response.ok) throw await problemOf(response)
    this.#tabs?.postMessage('signed out')
    this.#forget()
  }

  /** Ends the session on the server and here, and in the other tabs. */
  async signOut(): Promise<void> {
    const response = await send(new Request(new URL('/api/session', location.origin), { method: 'DELETE' }))
    // A session that the server has already forgotten is signed out as well.
    if (!response.ok && response.status !== 401) throw await problemOf(response)
    this.#tabs?.postMessage('signed out')
    this.#forget()
  }

  /** `fetch` with the access token, renewed when it must be; the request is sent a second time after a 401, once. */
  readonly fetch = async (request: Request): Promise<Response> => {
    const token = await this.#freshToken()
    const response = await send(withToken(request.clone(), token))
    if (response.status !== 401) return response
    // Another request may have renewed the token while this one was under way.
    if (this.#token?.value === token) await this.#refresh()
    const second = await send(withToken(request, await this.#freshToken()))
    if (second.status === 401) this.#end()
    return second
  }

  async #freshToken(): Promise<string> {
    if (!this.#token || this.#token.expiresAtMs - Date.now() < RENEW_BEFORE_EXPIRY_MS) await this.#refresh()
    if (!this.#token) throw Problem.from(401, undefined)
    return this.#token.value
  }

  #refresh(): Promise<void> {
    this.#refreshing ??= this.#askForToken().finally(() => {
      this.#refreshing = undefined
    })
    return this.#refreshing
  }

  async #askForToken(): Promise<void> {
    const response = await send(new Request(new URL('/api/session/refresh', location.origin), { method: 'POST' }))
    if (response.status === 401) this.#end()
    this.#keep(await answerOf<RefreshAnswer>(response))
  }

  #keep(answer: RefreshAnswer): void {
    // A token that lives shorter than the margin must not be renewed before each request: half its life is margin enough.
    const lifeMs = answer.expires_in_seconds * 1000
    const usableMs = Math.max(lifeMs, RENEW_BEFORE_EXPIRY_MS + lifeMs / 2)
    this.#token = { value: answer.access_token, expiresAtMs: Date.now() + usableMs }
  }

  #end(): void {
    const had = this.#user !== undefined
    this.#forget()
    if (had) this.dispatchEvent(new Event('ended'))
  }

  #forget(): void {
    this.#token = undefined
    if (!this.#user) return
    this.#user = undefined
    this.#changed()
  }

  #changed(): void {
    this.dispatchEvent(new Event('changed'))
  }
}

/** The one session of this page. */
export const session = new Session()

function withToken(request: Request, token: string): Request {
  request.headers.set('authorization', `Bearer ${token}`)
  return request
}

/** `fetch`, with a dead connection as a `Problem`. An abort stays an abort. */
export async function send(request: Request): Promise<Response> {
  try {
    return await fetch(request)
  } catch (error) {
    if (request.signal.aborted) throw request.signal.reason
    if (error instanceof TypeError) throw Problem.unreachable()
    throw error
  }
}

async function answerOf<Answer>(response: Response): Promise<Answer> {
  if (!response.ok) throw await problemOf(response)
  return (await response.json()) as Answer
}

async function problemOf(response: Response): Promise<Problem> {
  return Problem.from(response.status, await response.json().catch(() => undefined))
}
