import type { HashAnswer, HashRequest } from './hash.worker'

/** The file on the disk can't be read any more, or has changed since it was chosen. */
export class FileUnreadable extends Error {
  override readonly name = 'FileUnreadable'
  constructor() {
    super('The file can’t be read any more. It may have been moved or changed; choose it again to go on.')
  }
}

/** SHA-256 of parts, one after another in a worker, so that pages stay fluid and memory holds one part at a time. */
export class PartHasher {
  #worker: Worker | undefined
  #lastId = 0
  #queue: Promise<unknown> = Promise.resolve()
  readonly #waiting = new Map<number, { resolve(sha256: string): void; reject(error: Error): void }>()

  /** Standard base64 of the 32 bytes. Rejects with `FileUnreadable`, or with the signal's reason. */
  hash(part: Blob, signal: AbortSignal): Promise<string> {
    // One at a time: the worker would otherwise read several parts into memory at once.
    const turn = this.#queue.then(() => {
      signal.throwIfAborted()
      return this.#ask(part)
    })
    this.#queue = turn.catch(() => undefined)
    return turn
  }

  #ask(part: Blob): Promise<string> {
    const worker = (this.#worker ??= this.#start())
    const request: HashRequest = { id: ++this.#lastId, part }
    return new Promise((resolve, reject) => {
      this.#waiting.set(request.id, { resolve, reject })
      worker.postMessage(request)
    })
  }

  #start(): Worker {
    const worker = new Worker(new URL('./hash.worker.ts', import.meta.url), { type: 'module' })
    worker.onmessage = ({ data }: MessageEvent<HashAnswer>) => {
      const waiting = this.#waiting.get(data.id)
      this.#waiting.delete(data.id)
      if ('sha256' in data) waiting?.resolve(data.sha256)
      else waiting?.reject(new FileUnreadable())
    }
    worker.onerror = (event) => {
      // The worker's script did not load or run. A fresh one is started for the next part.
      worker.terminate()
      this.#worker = undefined
      const error = new Error(`The checksum worker stopped: ${event.message || 'its script could not be loaded'}.`)
      for (const waiting of this.#waiting.values()) waiting.reject(error)
      this.#waiting.clear()
    }
    return worker
  }
}
