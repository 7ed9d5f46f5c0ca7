import { answer, api, type Channel } from './api/client'
import { wait } from './retry'

const REFRESH_MS = 5_000
/** Nobody sees the list of a page in the background, but a picture may be waited for there. */
const HIDDEN_REFRESH_MS = 30_000

/** What was known last, so that going from channel to channel shows the list at once. */
let lastKnown: Channel[] | undefined

/** The channels that are live now, asked for again and again until the page is left. Event: `changed`. */
export class LiveChannels extends EventTarget {
  readonly #left: AbortSignal
  #list = lastKnown
  #error: unknown
  #refreshed = new AbortController()

  constructor(left: AbortSignal) {
    super()
    this.#left = left
  }

  /** In the order of their ids; undefined until there is a first answer. */
  get list(): readonly Channel[] | undefined {
    return this.#list
  }

  /** Why the last answer failed to come. */
  get error(): unknown {
    return this.#error
  }

  /** Whether a channel is live, as far as is known. */
  has(id: string): boolean | undefined {
    return this.#error === undefined ? this.#list?.some((channel) => channel.id === id) : undefined
  }

  /** Keeps the list true until the page is left. */
  async follow(): Promise<void> {
    while (!this.#left.aborted) {
      await this.refresh()
      const delayMs = document.hidden ? HIDDEN_REFRESH_MS : REFRESH_MS
      await wait(delayMs, this.#left).catch(() => undefined)
    }
  }

  async refresh(): Promise<void> {
    try {
      const { items } = await answer(api.GET('/channels', { signal: this.#left }))
      this.#list = lastKnown = items.toSorted((one, other) => (one.id < other.id ? -1 : 1))
      this.#error = undefined
    } catch (error) {
      this.#error = error
    }
    if (this.#left.aborted) return
    this.#refreshed.abort()
    this.#refreshed = new AbortController()
    this.dispatchEvent(new Event('changed'))
  }

  /** Waits while a channel is known not to be live. Rejects with the signal's reason. */
  async untilLive(id: string, signal: AbortSignal): Promise<void> {
    while (this.has(id) === false) {
      const { signal: refreshed } = this.#refreshed
      await new Promise((resolve) =>
        AbortSignal.any([signal, refreshed]).addEventListener('abort', resolve, { once: true }),
      )
      signal.throwIfAborted()
    }
  }
}
