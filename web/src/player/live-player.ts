import { sentence } from '../api/problem'
import { keepPlaying } from './keep-playing'
import { canShowStreams, showStream, type End } from './live-picture'
import { openLiveStream } from './live-stream'

const TELL_DELAY_EVERY_MS = 1_000

export type LiveState =
  | { is: 'connecting' | 'silent' | 'reconnecting' | 'paused' }
  | { is: 'playing'; delaySeconds: number }
  /** It goes on only when somebody asks for it. */
  | { is: 'stopped'; text: string }

export interface LivePlayerOptions {
  channel: string
  element: HTMLVideoElement
  /** Keeps the last picture while there is no other. */
  still: HTMLCanvasElement
  /** Fires when the page is left: the download ends at once. */
  left: AbortSignal
  onState(state: LiveState): void
  /** Waits while the channel is known not to be live. Rejects with the signal's reason. */
  untilLive(signal: AbortSignal): Promise<void>
}

/**
 * Plays a channel, and comes back by itself whenever the stream ends: with a ticket of its own for each connection. Pausing ends the
 * download; going on starts with what is live then.
 */
export class LivePlayer {
  readonly #options: LivePlayerOptions
  #run: AbortController | undefined
  #toldMs = 0
  #told: LiveState['is'] | undefined

  constructor(options: LivePlayerOptions) {
    this.#options = options
    options.left.addEventListener('abort', () => this.#run?.abort())
  }

  /** Starts, or goes on with what is live now. */
  play(): void {
    if (this.#run || this.#options.left.aborted) return
    if (!canShowStreams()) {
      this.#tell({ is: 'stopped', text: 'This browser can’t play live channels; another browser or device may.' })
      return
    }
    void this.#play((this.#run = new AbortController()))
  }

  pause(): void {
    this.#run?.abort()
    this.#run = undefined
    this.#tell({ is: 'paused' })
  }

  async #play(run: AbortController): Promise<void> {
    const { signal: stop } = run
    this.#tell({ is: 'connecting' })
    try {
      const end = await keepPlaying({
        playOnce: () => this.#playOnce(stop),
        untilLive: () => this.#options.untilLive(stop),
        onSetback: () => this.#tell({ is: 'reconnecting' }),
        stop,
      })
      if (end === 'paused') this.#pauseAsTheBrowserDid()
    } catch (error) {
      if (stop.aborted) return
      this.#run = undefined
      this.#tell({ is: 'stopped', text: sentence(error) })
    }
  }

  async #playOnce(stop: AbortSignal): Promise<End> {
    const connection = new AbortController()
    try {
      const stream = await openLiveStream(this.#options.channel, AbortSignal.any([stop, connection.signal]))
      return await showStream(stream, {
        element: this.#options.element,
        still: this.#options.still,
        stop,
        onPlaying: (delaySeconds) => this.#tell({ is: 'playing', delaySeconds }),
        onSilent: () => this.#tell({ is: 'silent' }),
      })
    } finally {
      connection.abort()
    }
  }

  /** Browsers pause pages that nobody sees; who comes back to the page wants to go on, who paused by another key of the machine does not. */
  #pauseAsTheBrowserDid(): void {
    this.pause()
    if (!document.hidden) return
    const goOn = () => this.#told === 'paused' && this.play()
    document.addEventListener('visibilitychange', goOn, { once: true, signal: this.#options.left })
  }

  /** The delay is told once a second: more often nobody can read it. */
  #tell(state: LiveState): void {
    const nowMs = performance.now()
    if (this.#options.left.aborted || (state.is === this.#told && nowMs - this.#toldMs < TELL_DELAY_EVERY_MS)) return
    this.#told = state.is
    this.#toldMs = nowMs
    this.#options.onState(state)
  }
}
