import { answered, api } from '../api/client'
import { Problem } from '../api/problem'
import type { SignedPart } from './put-part'
import { persist } from '../retry'

/** The most parts that the server signs in one request. */
const LARGEST_BATCH = 100
/** Parts kept signed ahead of those being sent. */
const AHEAD = 16
/** When this few are left, the next batch is hashed and signed. The first batch is as large as that: sending starts soon. */
const LOW_WATER = 4
/** A signature is not used in its last minute: the request has to reach S3 before it expires. */
const SAFETY_MS = 60_000

interface ReadyPart {
  part: SignedPart
  usableUntilMs: number
}

export interface SigningOptions {
  uploadId: string
  /** False for uploads that carry no checksums. */
  hashed: boolean
  /** Standard base64 of a part's SHA-256: one that is known, or of the bytes as they are now. */
  digestOf(number: number, from: 'known' | 'file'): Promise<string>
  signal: AbortSignal
  onSetback(error: unknown): void
}

/**
 * Hashes parts and has them signed in batches, a little ahead of the lanes that send them: the first batch just fills the lanes so
 * that sending starts soon, later ones are larger. Signatures die after minutes, so no more are taken than will soon be used.
 */
export class PartSigner {
  readonly #options: SigningOptions
  readonly #todo: number[]
  readonly #ready: ReadyPart[] = []
  #refill: Promise<void> | undefined
  #refillError: unknown
  #first = true

  constructor(numbers: readonly number[], options: SigningOptions) {
    this.#todo = [...numbers]
    this.#options = options
  }

  /** The next part to send, or undefined when all have been handed out. */
  async next(): Promise<SignedPart | undefined> {
    for (;;) {
      this.#options.signal.throwIfAborted()
      if (this.#refillError !== undefined) throw this.#refillError
      if (this.#ready.length <= LOW_WATER && this.#todo.length > 0) this.#startRefill()
      const ready = this.#ready.shift()
      if (ready) return ready.usableUntilMs > performance.now() ? ready.part : this.again(ready.part.number)
      if (!this.#refill) return undefined
      await this.#refill
    }
  }

  /** Hashes and signs one part anew: its signature has expired, or its bytes arrived damaged. */
  async again(number: number): Promise<SignedPart> {
    const [ready] = await this.#sign([number], 'file')
    if (!ready) throw new Error(`The server did not sign part ${number}.`)
    return ready.part
  }

  #startRefill(): void {
    this.#refill ??= this.#takeBatch()
      .catch((error: unknown) => {
        this.#refillError = error
      })
      .finally(() => {
        this.#refill = undefined
      })
  }

  async #takeBatch(): Promise<void> {
    const count = this.#first ? LOW_WATER : Math.min(LARGEST_BATCH, AHEAD - this.#ready.length)
    this.#first = false
    const numbers = this.#todo.splice(0, count)
    this.#ready.push(...(await this.#sign(numbers)))
  }

  async #sign(numbers: readonly number[], from: 'known' | 'file' = 'known'): Promise<ReadyPart[]> {
    const { uploadId, hashed, digestOf, signal, onSetback } = this.#options
    const parts: { number: number; sha256?: string }[] = []
    for (const number of numbers)
      parts.push(hashed ? { number, sha256: await digestOf(number, from) } : { number })
    const { data, response } = await persist(
      () => answered(api.POST('/uploads/{id}/parts', { params: { path: { id: uploadId } }, body: { parts }, signal })),
      { signal, isPassing: (error) => error instanceof Problem && error.isPassing, onSetback },
    )
    const usableUntilMs = performance.now() + lifetimeMs(data.expires_at, response) - SAFETY_MS
    return data.parts.map((part) => ({ part, usableUntilMs }))
  }
}

/** How long signatures live, told by the server's two clocks: the visitor's own may be minutes off. */
function lifetimeMs(expiresAt: string, response: Response): number {
  const serverNow = Date.parse(response.headers.get('date') ?? '')
  const now = Number.isNaN(serverNow) ? Date.now() : serverNow
  // Even a nonsensical clock leaves two minutes: what has expired is found out by S3's refusal, and signed again.
  return Math.max(2 * SAFETY_MS, Date.parse(expiresAt) - now)
}
