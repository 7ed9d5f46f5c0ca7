import mpegts from 'mpegts.js'
import { WholeUnits } from './whole-units'

/**
 * Hands the bytes of a stream that is open already to mpegts.js. Its own loader would make the request itself, but in Chromium leaves it open
 * until another byte comes, and says nothing of how a request was refused.
 */
export function loaderOf(
  stream: ReadableStream<Uint8Array>,
  { onBytes, onEnd }: { onBytes(): void; onEnd(error?: unknown): void },
): mpegts.CustomLoaderConstructor {
  return class StreamLoader extends mpegts.BaseLoader {
    readonly #reader = stream.getReader()
    #aborted = false

    constructor() {
      super('stream-loader')
      this._needStash = true
    }

    override open(): void {
      this._status = mpegts.LoaderStatus.kConnecting
      void this.#pump()
    }

    override abort(): void {
      this.#aborted = true
      this._status = mpegts.LoaderStatus.kComplete
      void this.#reader.cancel().catch(() => undefined)
    }

    override destroy(): void {
      this.abort()
      super.destroy()
    }

    async #pump(): Promise<void> {
      const units = new WholeUnits()
      let passed = 0
      try {
        for (;;) {
          const { done, value } = await this.#reader.read()
          if (this.#aborted) return
          if (done) break
          this._status = mpegts.LoaderStatus.kBuffering
          onBytes()
          const good = units.next(value)
          const from = passed
          passed += good.byteLength
          if (good.byteLength > 0) this.onDataArrival(good.buffer, from, passed)
        }
        onEnd()
      } catch (error) {
        if (!this.#aborted) onEnd(error)
      }
    }
  }
}
