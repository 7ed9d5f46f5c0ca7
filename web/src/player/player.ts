import shaka from 'shaka-player/dist/shaka-player.ui-es2021.js'
import 'shaka-player/dist/controls.css'
import './player.css'
import type { Playback, Video } from '../api/client'
import { sentence } from '../api/problem'
import { showWantedCaptions, switchCaptionsByKey } from './captions'
import { PlaybackRight } from './playback-right'
import { addThumbnails } from './thumbnails'

/** How often a playing video looks whether its cookies must be renewed. */
const RENEWAL_CHECK_MS = 15_000

export interface PlayerOptions {
  video: Video
  /** Where the player puts its controls; holds `element`. */
  container: HTMLElement
  element: HTMLVideoElement
  /** Fires when the page is left: everything is torn down. */
  left: AbortSignal
  /** A sentence about why it can't be played, or goes on no more. */
  onError(text: string): void
}

/**
 * Loads a video into the element, with the player's controls around it. DASH where the browser has Media Source Extensions, HLS by Safari
 * itself, and the original file where there is nothing adaptive. Returns a function that loads it again where it stopped, for after an error.
 */
export async function startPlayer({ video, container, element, left, onError }: PlayerOptions): Promise<() => void> {
  shaka.polyfill.installAll()
  const right = new PlaybackRight(video.id, left)
  const player = new shaka.Player()
  const controls = new shaka.ui.Overlay(player, container, element)
  left.addEventListener('abort', () => void controls.destroy())
  controls.configure(controlsConfiguration)
  player.configure({
    streaming: { preferNativeHls: isSafari(), retryParameters: retries },
    manifest: { retryParameters: retries },
  })
  await player.attach(element)
  if (left.aborted) return () => undefined

  // Before each request for media, so that a film that was paused for an hour goes on as if nothing had happened.
  player.getNetworkingEngine()?.registerRequestFilter(() => right.keep())
  // Where the browser fetches by itself, the events of the element have to do.
  for (const event of ['play', 'seeking'])
    element.addEventListener(event, () => void right.keep(), { signal: left })
  const renewal = setInterval(() => {
    if (!element.paused) void right.keep()
  }, RENEWAL_CHECK_MS)
  left.addEventListener('abort', () => clearInterval(renewal))

  switchCaptionsByKey(player, left)
  const showPlaying = () => container.classList.toggle('is-playing', !element.paused)
  for (const event of ['play', 'pause', 'ended']) element.addEventListener(event, showPlaying, { signal: left })

  player.addEventListener('error', (event) => {
    const { detail } = event as unknown as { detail: shaka.util.Error }
    if (!left.aborted) onError(meaningOf(detail))
  })

  const load = async (startSeconds?: number) => {
    // The controls come when there is something to control: pressed earlier, they would do nothing.
    container.classList.add('is-loading')
    try {
      const playback = await right.start()
      const source = sourceOf(playback)
      if (!source) {
        onError('This browser can’t play this film.')
        return
      }
      await player.load(source.url, startSeconds ?? null, source.type)
      showWantedCaptions(player)
      if (playback.thumbnails_url) void addThumbnails(player, playback.thumbnails_url, left)
    } catch (error) {
      if (left.aborted || isInterrupted(error)) return
      onError(error instanceof shaka.util.Error ? meaningOf(error) : sentence(error))
    } finally {
      container.classList.remove('is-loading')
    }
  }
  await load()
  return () => void load(element.currentTime > 0 ? element.currentTime : undefined)
}

function sourceOf(playback: Playback): { url: string; type: string } | undefined {
  const { dash_url: dash, hls_url: hls, progressive_url: original } = playback
  if (hls && (isSafari() || !dash)) return { url: hls, type: 'application/vnd.apple.mpegurl' }
  if (dash && shaka.Player.isBrowserSupported()) return { url: dash, type: 'application/dash+xml' }
  // The browser looks at the bytes, whatever the type says; this one makes the player hand the address to the element.
  if (original) return { url: original, type: 'video/mp4' }
  return undefined
}

/** Safari plays HLS best by itself, and on iPhones that is the only way. Chromium has some HLS too, so that asking for it is no test. */
function isSafari(): boolean {
  return navigator.vendor.startsWith('Apple')
}

function meaningOf(error: shaka.util.Error): string {
  const { Category, Code } = shaka.util.Error
  if (error.code === Code.BAD_HTTP_STATUS) {
    const status = error.data[1] as number
    if (status === 401 || status === 403) return 'The right to watch has run out. Try again to go on.'
    if (status === 404) return 'The film is not there any more.'
  }
  if (error.category === Category.NETWORK) return 'The film can’t be fetched at the moment. Check your connection.'
  if (error.category === Category.MANIFEST || error.category === Category.MEDIA)
    return `This browser can’t play this film’s format; another browser or device may. (${error.code})`
  return `The player stopped (${error.code}).`
}

/** Leaving the page, or loading again, interrupts what was loading; nobody needs to hear of it. */
function isInterrupted(error: unknown): boolean {
  const { Code } = shaka.util.Error
  return (
    error instanceof shaka.util.Error && (error.code === Code.LOAD_INTERRUPTED || error.code === Code.OBJECT_DESTROYED)
  )
}

const retries = { maxAttempts: 5, baseDelay: 500, backoffFactor: 2, fuzzFactor: 0.5, timeout: 30_000 }

const controlsConfiguration = {
  controlPanelElements: [
    'play_pause',
    'mute_volume',
    'time_and_duration',
    'spacer',
    'captions',
    'overflow_menu',
    'fullscreen',
  ],
  bigButtons: ['play_pause'],
  overflowMenuButtons: ['captions', 'quality', 'language', 'playback_rate', 'picture_in_picture'],
  playbackRates: [0.5, 0.75, 1, 1.25, 1.5, 2],
  seekBarColors: { base: 'rgb(255 255 255 / 25%)', buffered: 'rgb(255 255 255 / 45%)', played: '#f2b950' },
  volumeBarColors: { base: 'rgb(255 255 255 / 35%)', level: '#fff' },
  enableTooltips: true,
  // Wherever the focus is, save in a text field. The keys that scroll pages stay with the page, and nothing is downloaded by a key.
  enableKeyboardPlaybackControlsInWindow: true,
  shortcuts: { large_rewind: '', large_fast_forward: '', home: '', end: '', take_screenshot: '', captions: '' },
  customContextMenu: false,
  castSenderUrl: '',
}
