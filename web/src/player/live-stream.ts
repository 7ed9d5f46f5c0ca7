import { answer, api, type Registration } from '../api/client'
import { Problem } from '../api/problem'
import { session } from '../session'

/**
 * Connects to a channel as the signed-in viewer, with a ticket of its own, and gives the bytes that come: MPEG-TS without end. Rejects with a
 * `Problem` when that is refused or nobody answers. The signal ends the download at any time.
 */
export async function openLiveStream(channel: string, signal: AbortSignal): Promise<ReadableStream<Uint8Array>> {
  const userId = session.user?.id
  if (!userId) throw Problem.from(401, undefined)
  const { user_id: viewerId, ticket } = (await answer(
    api.POST('/register', {
      headers: { accept: 'application/json', 'content-type': 'text/plain' },
      body: userId,
      bodySerializer: (text: string) => text,
      signal,
    }),
  )) as Registration
  const response = await connect(channel, credentials(viewerId, ticket), signal)
  if (response.ok && response.body && response.headers.get('content-type') === 'video/mp2t') return response.body
  await response.body?.cancel()
  throw refusal(channel, response.status)
}

async function connect(channel: string, authorization: string, signal: AbortSignal): Promise<Response> {
  try {
    return await fetch(`/live/${encodeURIComponent(channel)}`, { headers: { authorization }, cache: 'no-store', signal })
  } catch (error) {
    signal.throwIfAborted()
    if (error instanceof TypeError) throw Problem.unreachable()
    throw error
  }
}

/** The value of the `Authorization` header that the relay reads. */
export function credentials(viewerId: string, ticket: string): string {
  const bytes = new TextEncoder().encode(`${viewerId}:${ticket}`)
  return `Basic ${btoa(String.fromCharCode(...bytes))}`
}

/** The relay's refusals are terse and the CDN's are XML: what they mean to who watches is said here. */
function refusal(channel: string, status: number): Problem {
  if (status === 403)
    return new Problem(403, 'not-allowed-to-watch', 'You are not allowed to watch this, or you are watching in too many places.')
  if (status === 404) return new Problem(404, 'not-found', `There is no channel called ${channel}.`)
  // Where no relay is deployed, its addresses are answered like those of pages.
  if (status === 200) return new Problem(404, 'not-found', 'Live channels are not offered here.')
  if (status >= 500) return new Problem(status, 'unknown', 'The live service has trouble answering.')
  return Problem.from(status, undefined)
}
