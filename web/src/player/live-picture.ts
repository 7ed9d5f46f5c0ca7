import mpegts from 'mpegts.js'
import { START_BUFFER_SECONDS, StallWatch, delaySeconds, liveEdge, sampleOf, speedFor, targetDelaySeconds } from './live-edge'
import { loaderOf } from './stream-loader'

const LOOK_EVERY_MS = 250
/** A channel that sends nothing for so long is said to be silent. */
const SILENT_AFTER_MS = 3_000
/** After so long without a byte the connection may well be dead, whatever it says. */
const GIVE_UP_AFTER_MS = 10_000
/** Bytes without a picture for so long are none that this browser understands: key frames come more often than that. */
const NO_PICTURE_AFTER_MS = 30_000

/** How the showing of a stream came to its end. */
export type End = 'ended' | 'silent' | 'stuck' | 'unplayable' | 'paused' | 'stopped'

export interface Showing {
  element: HTMLVideoElement
  /** Keeps the last picture when the element goes black. */
  still: HTMLCanvasElement
  /** Ends it. */
  stop: AbortSignal
  /** Called several times a second while the picture runs, with its delay behind the newest that has arrived. */
  onPlaying(delaySeconds: number): void
  /** Nothing has come for a while. */
  onSilent(): void
}

export function canShowStreams(): boolean {
  return mpegts.isSupported()
}

/** Shows an MPEG-TS stream in the element near its live edge, until it ends, fails or is stopped. */
export function showStream(stream: ReadableStream<Uint8Array>, showing: Showing): Promise<End> {
  const { element, still, stop, onPlaying, onSilent } = showing
  return new Promise((resolve) => {
    const over = new AbortController()
    const listening = { signal: over.signal }
    const watch = new StallWatch()
    const beganMs = performance.now()
    let lastByteMs = beganMs
    let started = false
    let stalls = 0

    const customLoader = loaderOf(stream, {
      onBytes: () => (lastByteMs = performance.now()),
      onEnd: () => end('ended'),
    })
    const player = mpegts.createPlayer({ type: 'mpegts', isLive: true, url: location.href }, { ...settings, customLoader })
    player.on(mpegts.Events.ERROR, () => end(started ? 'stuck' : 'unplayable'))
    element.addEventListener('error', () => end(started ? 'stuck' : 'unplayable'), listening)
    element.addEventListener('pause', () => end('paused'), listening)
    element.addEventListener('waiting', () => started && (stalls += 1), listening)
    stop.addEventListener('abort', () => end('stopped'), listening)
    const looking = setInterval(look, LOOK_EVERY_MS)
    player.attachMediaElement(element)
    player.load()

    function look(): void {
      const nowMs = performance.now()
      const silentMs = nowMs - lastByteMs
      if (silentMs >= GIVE_UP_AFTER_MS || (silentMs >= SILENT_AFTER_MS && !navigator.onLine)) return end('silent')
      const sample = sampleOf(element, nowMs)
      const delay = delaySeconds(sample) ?? 0
      if (!started) {
        if (delay >= START_BUFFER_SECONDS) void start()
        else if (nowMs - beganMs >= NO_PICTURE_AFTER_MS) return end('unplayable')
      } else if (!element.paused) {
        const target = targetDelaySeconds(stalls)
        const advice = watch.next(sample)
        if (advice === 'reconnect') return end('stuck')
        if (advice === 'jump') element.currentTime = liveEdge(sample, target) ?? sample.currentTime
        element.playbackRate = speedFor(delay, element.playbackRate, target)
      }
      if (silentMs >= SILENT_AFTER_MS) onSilent()
      else if (started && sample.currentTime > 0) onPlaying(delay)
    }

    async function start(): Promise<void> {
      started = true
      if (!(await plays(element)) && !over.signal.aborted) end('paused')
    }

    function end(how: End): void {
      if (over.signal.aborted) return
      over.abort()
      clearInterval(looking)
      keepPicture(element, still)
      resolve(how)
      // The library may be in the middle of telling this: it is taken down when it has returned.
      queueMicrotask(() => player.destroy())
    }
  })
}

/** Starts the element, without sound where the browser wants somebody to ask for sound first. */
async function plays(element: HTMLVideoElement): Promise<boolean> {
  try {
    await element.play()
    return true
  } catch (error) {
    if (!isRefusedBySoundPolicy(error) || element.muted) return false
    element.muted = true
    return element.play().then(
      () => true,
      () => false,
    )
  }
}

function isRefusedBySoundPolicy(error: unknown): boolean {
  return error instanceof DOMException && error.name === 'NotAllowedError'
}

function keepPicture(element: HTMLVideoElement, still: HTMLCanvasElement): void {
  if (element.readyState < HTMLMediaElement.HAVE_CURRENT_DATA || element.videoWidth === 0) return
  still.width = element.videoWidth
  still.height = element.videoHeight
  still.getContext('2d')?.drawImage(element, 0, 0)
}

mpegts.LoggingControl.applyConfig({ enableAll: false, enableError: true, enableWarn: true })

/** Bytes go on to the demultiplexer as they come, and of what was shown only half a minute is kept. Speed and jumps are ours (`live-edge.ts`). */
const settings: mpegts.Config = {
  enableStashBuffer: false,
  lazyLoad: false,
  autoCleanupSourceBuffer: true,
  autoCleanupMaxBackwardDuration: 30,
  autoCleanupMinBackwardDuration: 15,
}
