import { html, nothing, type TemplateResult } from 'lit-html'
import { createRef, ref } from 'lit-html/directives/ref.js'
import type { LiveChannels } from '../live-channels'
import type { LivePlayer, LiveState } from '../player/live-player'
import { again, play, speakerOff, warning } from './icons'
import { liveControls } from './live-controls'

const IDLE_AFTER_MS = 3_000

/** The volume goes along from channel to channel; what the browser has muted by itself does not. */
const sound = { volume: 1, muted: false }

/** Safari on iPhones shows nothing but videos in full screen, by a method of its own. */
type PhoneVideo = HTMLVideoElement & { webkitEnterFullscreen?(): void }

/** A live channel's picture with its controls, keys and messages. */
export class LiveScreen {
  readonly #channel: string
  readonly #channels: LiveChannels
  readonly #left: AbortSignal
  readonly #redraw: () => void
  readonly #frame = createRef<HTMLElement>()
  readonly #video = createRef<PhoneVideo>()
  readonly #still = createRef<HTMLCanvasElement>()
  #player: LivePlayer | undefined
  #state: LiveState = { is: 'connecting' }
  #idle = false
  #idleTimer: ReturnType<typeof setTimeout> | undefined

  constructor(channel: string, channels: LiveChannels, left: AbortSignal, redraw: () => void) {
    this.#channel = channel
    this.#channels = channels
    this.#left = left
    this.#redraw = redraw
  }

  /** Begins, once the view is drawn. */
  start(): void {
    const listening = { signal: this.#left }
    document.addEventListener('keydown', this.#onKey, listening)
    for (const event of ['fullscreenchange', 'visibilitychange']) document.addEventListener(event, this.#redraw, listening)
    for (const event of ['online', 'offline']) addEventListener(event, this.#redraw, listening)
    this.#left.addEventListener('abort', () => clearTimeout(this.#idleTimer))
    this.#wake()
    void this.#load()
  }

  /** The player is in a chunk of its own, which pages without a picture don't load. */
  async #load(): Promise<void> {
    this.#tell({ is: 'connecting' })
    let Player: typeof LivePlayer
    try {
      ;({ LivePlayer: Player } = await import('../player/live-player'))
    } catch {
      this.#tell({ is: 'stopped', text: 'The player could not be loaded. Check your connection.' })
      return
    }
    const [element, still] = [this.#video.value, this.#still.value]
    if (!element || !still || this.#left.aborted) return
    const listening = { signal: this.#left }
    element.volume = sound.volume
    element.muted = sound.muted
    element.addEventListener('volumechange', this.#redraw, listening)
    element.addEventListener('resize', () => this.#keepShape(element), listening)
    this.#player = new Player({
      channel: this.#channel,
      element,
      still,
      left: this.#left,
      onState: (state) => this.#tell(state),
      untilLive: (signal) => this.#channels.untilLive(this.#channel, signal),
    })
    this.#player.play()
  }

  view(): TemplateResult {
    const element = this.#video.value
    const muted = element?.muted ?? sound.muted
    const running = this.#state.is === 'playing'
    return html`<div class="screen">
      <div
        class="screen-frame ${running ? '' : 'is-interrupted'} ${running && this.#idle ? 'is-idle' : ''}"
        ${ref(this.#frame)}
        @pointermove=${this.#wake}
        @pointerdown=${this.#wake}
        @focusin=${this.#wake}
      >
        <video ${ref(this.#video)} class="screen-video" playsinline aria-label="${this.#channel} live" @dblclick=${this.#fullscreen}></video>
        <canvas ${ref(this.#still)} class="live-still" aria-hidden="true"></canvas>
        <div role="status">${this.#message()}</div>
        ${running && muted && !sound.muted
          ? html`<button class="button unmute" type="button" @click=${this.#mute}>${speakerOff} Turn the sound on</button>`
          : nothing}
        ${liveControls({
          state: this.#state,
          muted,
          volume: element?.volume ?? sound.volume,
          fullscreen: this.#hasFullscreen() ? document.fullscreenElement !== null : undefined,
          onPlayOrPause: this.#playOrPause,
          onMute: this.#mute,
          onVolume: this.#setVolume,
          onFullscreen: this.#fullscreen,
        })}
      </div>
    </div>`
  }

  #message(): TemplateResult | typeof nothing {
    const state = this.#state
    const busy = (text: string) => html`<div class="live-message"><span class="turning"></span><p>${text}</p></div>`
    switch (state.is) {
      case 'playing':
        return nothing
      case 'connecting':
        return busy('Connecting…')
      case 'reconnecting':
        return busy(navigator.onLine ? 'Reconnecting…' : 'You are offline. It goes on when you are back.')
      case 'silent':
        return busy(
          this.#channels.has(this.#channel) === false
            ? `${this.#channel} isn’t live at the moment. It begins here as soon as it is.`
            : 'Waiting for the picture…',
        )
      case 'paused':
        return html`<div class="live-message">
          <button class="button" type="button" @click=${this.#playOrPause}>${play} Go on live</button>
        </div>`
      case 'stopped':
        return html`<div class="live-message">
          ${warning}
          <p>${state.text}</p>
          <button class="button" type="button" @click=${this.#playOrPause}>${again} Try again</button>
        </div>`
    }
  }

  #tell(state: LiveState): void {
    this.#state = state
    this.#redraw()
  }

  readonly #playOrPause = (): void => {
    if (!this.#player) void this.#load()
    else if (this.#state.is === 'paused' || this.#state.is === 'stopped') this.#player.play()
    else this.#player.pause()
  }

  readonly #mute = (): void => {
    const element = this.#video.value
    if (!element) return
    element.muted = sound.muted = !element.muted
    if (!element.muted && element.volume === 0) this.#setVolume(0.5)
  }

  readonly #setVolume = (volume: number): void => {
    const element = this.#video.value
    if (!element) return
    element.volume = sound.volume = volume
    element.muted = sound.muted = volume === 0
  }

  #hasFullscreen(): boolean {
    return document.fullscreenEnabled || this.#video.value?.webkitEnterFullscreen !== undefined
  }

  readonly #fullscreen = (): void => {
    if (document.fullscreenElement) void document.exitFullscreen()
    else if (document.fullscreenEnabled) void this.#frame.value?.requestFullscreen().catch(() => undefined)
    else this.#video.value?.webkitEnterFullscreen?.()
  }

  /** Wherever the focus is, save in a field; a dialog keeps its keys to itself. */
  readonly #onKey = (event: KeyboardEvent): void => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return
    if (event.target instanceof Element && event.target.closest('input:not([type=range]), textarea, select')) return
    const action = { k: this.#playOrPause, m: this.#mute, f: this.#fullscreen }[event.key.toLowerCase()]
    if (!action) return
    event.preventDefault()
    this.#wake()
    action()
  }

  /** Shows the controls, until nothing has moved for a while. */
  readonly #wake = (): void => {
    clearTimeout(this.#idleTimer)
    this.#idleTimer = setTimeout(() => this.#setIdle(true), IDLE_AFTER_MS)
    this.#setIdle(false)
  }

  #setIdle(idle: boolean): void {
    if (this.#idle === idle) return
    this.#idle = idle
    this.#redraw()
  }

  /** The frame has the picture's own shape. */
  #keepShape({ videoWidth, videoHeight }: HTMLVideoElement): void {
    const frame = this.#frame.value
    if (frame && videoWidth && videoHeight) frame.style.aspectRatio = `${videoWidth} / ${videoHeight}`
  }
}
