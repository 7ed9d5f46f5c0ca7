import { answer, api } from './api/client'
import { session } from './session'

export interface Watched {
  channel: string
  seconds: number
}

/** What the signed-in viewer has watched live in the last 24 hours, the longest first. */
export async function readUsage(signal: AbortSignal): Promise<Watched[]> {
  const userId = session.user?.id
  if (!userId) return []
  const { sessions } = await answer(api.GET('/usage/{user_id}', { params: { path: { user_id: userId } }, signal }))
  return longestFirst(sessions)
}

export function longestFirst(sessions: Readonly<Record<string, number>>): Watched[] {
  return Object.entries(sessions)
    .map(([channel, seconds]) => ({ channel, seconds }))
    .toSorted((one, other) => other.seconds - one.seconds || (one.channel < other.channel ? -1 : 1))
}
