import type { Quota } from '../api/client'
import { size } from '../format'

/** What is left for new files, in a sentence. */
export function leftText(quota: Quota): string {
  const left = Math.max(0, quota.bytes_limit - quota.bytes_used)
  const room = `${size(left)} of ${size(quota.bytes_limit)} are left, in films of up to ${size(quota.file_bytes_limit)}.`
  const { uploads_waiting: waiting, uploads_limit: limit } = quota
  if (waiting === 0) return room
  return `${room} ${waiting} of at most ${limit} uploads ${waiting === 1 ? 'waits' : 'wait'} for parts.`
}

/** Why a file can't be uploaded at all; undefined if it may be. */
export function tooLargeText(quota: Quota, file: { name: string; size: number }): string | undefined {
  if (file.size <= quota.file_bytes_limit) return undefined
  return `“${file.name}” has ${size(file.size)}; a film may have at most ${size(quota.file_bytes_limit)}.`
}

/** Why files of these sizes don't fit beside what is there and what is about to be sent; undefined if they do. */
export function noRoomText(quota: Quota, chosen: readonly number[], queued: readonly number[]): string | undefined {
  if (chosen.length === 0) return undefined
  const sum = (sizes: readonly number[]) => sizes.reduce((total, bytes) => total + bytes, 0)
  const left = Math.max(0, quota.bytes_limit - quota.bytes_used - sum(queued))
  const wanted = sum(chosen)
  if (wanted > left) {
    const those = chosen.length === 1 ? 'This film has' : 'These films have'
    return `${those} ${size(wanted)}, and ${size(left)} are left. Delete videos or discard uploads to make room.`
  }
  if (quota.uploads_waiting >= quota.uploads_limit)
    return `${quota.uploads_waiting} uploads wait for parts already, and no more may. Finish or discard one of them first.`
  return undefined
}
