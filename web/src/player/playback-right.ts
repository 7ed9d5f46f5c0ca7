import { answer, api, type Playback } from '../api/client'

/**
 * The right to watch one video: cookies for its media, valid for minutes. They are renewed by asking again, while they are needed: a
 * paused player renews nothing until it reads on.
 */
export class PlaybackRight {
  readonly #videoId: string
  readonly #left: AbortSignal
  #renewAtMs = 0
  #renewing: Promise<Playback> | undefined

  constructor(videoId: string, left: AbortSignal) {
    this.#videoId = videoId
    this.#left = left
  }

  /** Asks for the cookies and the addresses. Rejects with a `Problem` when the video may not be watched, or no longer. */
  start(): Promise<Playback> {
    this.#renewing ??= answer(
      api.POST('/videos/{id}/playback', { params: { path: { id: this.#videoId } }, signal: this.#left }),
    )
      .then((playback) => {
        this.#renewAtMs = performance.now() + playback.renew_after_seconds * 1000
        return playback
      })
      .finally(() => {
        this.#renewing = undefined
      })
    return this.#renewing
  }

  get isDue(): boolean {
    return performance.now() >= this.#renewAtMs
  }

  /** Renews when it is time. Failing to renew is left to the next request for media, which then fails and says so. */
  async keep(): Promise<void> {
    if (!this.isDue || this.#left.aborted) return
    await this.start().catch(() => undefined)
  }
}
