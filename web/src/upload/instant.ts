import { hmac } from '@noble/hashes/hmac.js'
import { sha256 } from '@noble/hashes/sha2.js'
import { answer, api, type Upload } from '../api/client'
import { Problem } from '../api/problem'
import { allParts } from './part-plan'

export interface Showing {
  upload: Upload
  file: Blob
  /** Standard base64 of a part's SHA-256. */
  digestOf(number: number): Promise<string>
  /** Called once the whole file is hashed, and the server is being asked. */
  onAsked(): void
  signal: AbortSignal
}

/**
 * Shows the server that this page has the whole file, so that what is stored already need not be sent: hashes all parts, and reads the
 * places that the server picks. The upload as it is then, or undefined: the file is not stored, or that can't be told just now. Rejects
 * only when a part can't be read, or with the signal's reason.
 */
export async function showPossession({ upload, file, digestOf, onAsked, signal }: Showing): Promise<Upload | undefined> {
  const digests: Uint8Array[] = []
  // One after another, so that parts that are about to be sent are hashed in between, and from the end, so that these are others.
  for (const number of allParts(upload).reverse()) digests.unshift(bytesOf(await digestOf(number)))
  signal.throwIfAborted()
  onAsked()
  const digest = `${base64(sha256(joined(digests)))}-${digests.length}`
  const params = { path: { id: upload.id } }
  try {
    const challenge = await answer(api.POST('/uploads/{id}/challenge', { params, body: { digest }, signal }))
    const places = challenge.ranges.map(({ start, length }) => file.slice(start, start + length))
    const shown = new Uint8Array(await new Blob(places).arrayBuffer())
    const proof = { hmac: base64(hmac(sha256, bytesOf(challenge.nonce), shown)) }
    return await answer(api.POST('/uploads/{id}/proof', { params, body: proof, signal }))
  } catch (error) {
    signal.throwIfAborted()
    // A refusal is the usual answer. Whatever else is wrong, sending the file meets it too, and tells it better.
    if (error instanceof Problem) return undefined
    throw error
  }
}

function joined(pieces: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(pieces.reduce((length, piece) => length + piece.length, 0))
  let at = 0
  for (const piece of pieces) {
    whole.set(piece, at)
    at += piece.length
  }
  return whole
}

function bytesOf(text: string): Uint8Array {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0))
}

function base64(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes))
}
