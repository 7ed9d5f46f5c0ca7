import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Session } from '../src/session'

/** A server that knows one session: tokens are counted, and only the newest is good. */
class Server {
  issued = 0
  alive = true
  lifeSeconds = 300
  readonly requests: string[] = []

  readonly fetch = async (request: Request): Promise<Response> => {
    const { pathname } = new URL(request.url)
    this.requests.push(`${request.method} ${pathname}`)
    await Promise.resolve()
    if (pathname === '/api/session/refresh') {
      if (!this.alive) return problem(401, 'session-ended')
      this.issued += 1
      return Response.json({ access_token: `token-${this.issued}`, expires_in_seconds: this.lifeSeconds })
    }
    if (request.headers.get('authorization') !== `Bearer token-${this.issued}`)
      return Response.json({ message: 'Unauthorized' }, { status: 401 })
    if (pathname === '/api/sessions') {
      this.alive = false
      return new Response(null, { status: 204 })
    }
    if (pathname === '/api/me') return Response.json({ id: 'u-1', email: 'p@example.com', roles: ['publisher'] })
    return Response.json({ said: await request.text() })
  }

  count(request: string): number {
    return this.requests.filter((made) => made === request).length
  }
}

function problem(status: number, code: string): Response {
  return Response.json({ type: `urn:matinee:problem:${code}`, title: code, status, detail: 'The session has ended.' }, { status })
}

let server: Server
let session: Session

beforeEach(() => {
  server = new Server()
  vi.stubGlobal('location', { origin: 'https://films.example' })
  vi.stubGlobal('BroadcastChannel', undefined)
  vi.stubGlobal('fetch', server.fetch)
  session = new Session()
})

afterEach(() => {
  vi.useRealTimers()
  vi.unstubAllGlobals()
})

const request = (body?: string) =>
  new Request('https://films.example/api/videos', body === undefined ? {} : { method: 'POST', body })

test('a session is taken up from the cookie', async () => {
  expect(await session.restore()).toBe(true)
  expect(session.user?.email).toBe('p@example.com')
  expect(session.mayPublish).toBe(true)
})

test('without a session there is none to take up, and nothing has ended', async () => {
  server.alive = false
  const ended = vi.fn()
  session.addEventListener('ended', ended)
  expect(await session.restore()).toBe(false)
  expect(ended).not.toHaveBeenCalled()
})

test('requests at the same time share one refresh after a 401, and are each sent again with their body', async () => {
  await session.restore()
  // The server has forgotten the token: somebody else got a newer one.
  server.issued += 1
  const answers = await Promise.all(['a', 'b', 'c'].map((body) => session.fetch(request(body))))
  expect(await Promise.all(answers.map((answer) => answer.json()))).toEqual([{ said: 'a' }, { said: 'b' }, { said: 'c' }])
  expect(server.count('POST /api/session/refresh')).toBe(2)
})

test('a token about to expire is renewed before it is used', async () => {
  vi.useFakeTimers({ now: 0 })
  await session.restore()
  vi.setSystemTime(200_000)
  await session.fetch(request())
  expect(server.count('POST /api/session/refresh')).toBe(1)
  vi.setSystemTime(270_000)
  const answer = await session.fetch(request())
  expect(answer.ok).toBe(true)
  expect(server.count('POST /api/session/refresh')).toBe(2)
  expect(server.count('GET /api/videos')).toBe(2)
})

test('a very short-lived token is not renewed for each request', async () => {
  vi.useFakeTimers({ now: 0 })
  server.lifeSeconds = 20
  await session.restore()
  await session.fetch(request())
  await session.fetch(request())
  expect(server.count('POST /api/session/refresh')).toBe(1)
})

test('a session that has ended says so once', async () => {
  await session.restore()
  server.issued += 1
  server.alive = false
  const ended = vi.fn()
  session.addEventListener('ended', ended)
  const outcomes = await Promise.allSettled([session.fetch(request()), session.fetch(request())])
  expect(outcomes.map((outcome) => outcome.status)).toEqual(['rejected', 'rejected'])
  expect(ended).toHaveBeenCalledTimes(1)
  expect(session.user).toBeUndefined()
})

test('a dead connection is no end of the session', async () => {
  await session.restore()
  vi.stubGlobal('fetch', () => Promise.reject(new TypeError('fetch failed')))
  await expect(session.fetch(request())).rejects.toMatchObject({ status: 0, code: 'unreachable' })
  expect(session.user).toBeDefined()
})

test('signing out everywhere ends this session too', async () => {
  await session.restore()
  await session.signOutEverywhere()
  expect(server.requests).toContain('DELETE /api/sessions')
  expect(session.user).toBeUndefined()
  expect(await session.restore()).toBe(false)
})

test('a session that takes the place of another goes on with its token', async () => {
  await session.restore()
  server.issued += 1
  const user = { id: 'u-1', email: 'p@example.com', roles: ['publisher' as const] }
  session.begin({ access_token: `token-${server.issued}`, expires_in_seconds: 600, user })
  expect((await session.fetch(request('hello'))).status).toBe(200)
  expect(server.count('POST /api/session/refresh')).toBe(1)
})
