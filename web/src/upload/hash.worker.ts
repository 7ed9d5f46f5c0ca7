/// <reference lib="webworker" />
import { sha256 } from '@noble/hashes/sha2.js'

/** The browser's own digest takes a whole buffer: above this size the part is hashed as a stream instead, a little slower. */
const LARGEST_BUFFER_BYTES = 64 * 1024 * 1024

export interface HashRequest {
  id: number
  part: Blob
}

export type HashAnswer = { id: number; sha256: string } | { id: number; error: string }

self.onmessage = async ({ data: { id, part } }: MessageEvent<HashRequest>) => {
  let answer: HashAnswer
  try {
    answer = { id, sha256: base64(await digest(part)) }
  } catch (error) {
    answer = { id, error: error instanceof Error ? error.message : String(error) }
  }
  self.postMessage(answer)
}

async function digest(part: Blob): Promise<Uint8Array> {
  // Outside secure contexts (plain http on another machine's address) browsers have no crypto.subtle.
  if (part.size <= LARGEST_BUFFER_BYTES && crypto.subtle)
    return new Uint8Array(await crypto.subtle.digest('SHA-256', await part.arrayBuffer()))
  const hash = sha256.create()
  const reader = part.stream().getReader()
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return hash.digest()
    hash.update(value)
  }
}

function base64(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes))
}
