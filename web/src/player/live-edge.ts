/** How much is held back before the picture starts, in seconds: what an ordinary network's moods take. */
export const START_BUFFER_SECONDS = 0.8
/** How far behind the newest picture is right, in seconds, where the network is steady. */
const TARGET_DELAY_SECONDS = 1.2
const LONGEST_TARGET_DELAY_SECONDS = 3.2
/** How much further behind than is right doesn't matter yet, in seconds. */
const SLACK_SECONDS = 1.2
/** Further behind than this is not caught up with but jumped over. */
const LONGEST_DELAY_SECONDS = 6
const STUCK_MS = 2_000
const HOPELESS_MS = 6_000

/** What a video element says about itself at one moment; times in seconds. */
export interface Sample {
  nowMs: number
  currentTime: number
  buffered: readonly { start: number; end: number }[]
}

export function sampleOf(element: HTMLVideoElement, nowMs: number): Sample {
  const { buffered, currentTime } = element
  const ranges = Array.from({ length: buffered.length }, (_, index) => ({
    start: buffered.start(index),
    end: buffered.end(index),
  }))
  return { nowMs, currentTime, buffered: ranges }
}

/** How far the picture shown is behind the newest that has arrived, in seconds; undefined before there is one. */
export function delaySeconds({ currentTime, buffered }: Sample): number | undefined {
  const newest = buffered.at(-1)
  return newest && Math.max(0, newest.end - currentTime)
}

/** How far behind the newest picture is right, in seconds: each time that nothing was in hand, half a second more seems wise. */
export function targetDelaySeconds(stalls: number): number {
  return Math.min(LONGEST_TARGET_DELAY_SECONDS, TARGET_DELAY_SECONDS + stalls / 2)
}

/** Where to go on when the picture is stuck or too far behind, in seconds: near the newest, but with something in hand. */
export function liveEdge({ buffered }: Sample, target: number): number | undefined {
  const newest = buffered.at(-1)
  return newest && Math.max(newest.start, newest.end - target)
}

/**
 * The speed at which to play: a little faster when the picture has fallen behind, a little slower when nearly nothing is in hand, so that it
 * neither drifts away from live nor stops at every hiccup. Each has a margin, so that the speed doesn't change all the time.
 */
export function speedFor(delay: number, current: number, target: number): number {
  if (delay < 0.35) return 0.95
  if (delay > target + SLACK_SECONDS) return 1.08
  if (current < 1) return delay < START_BUFFER_SECONDS ? current : 1
  if (current > 1) return delay > target ? current : 1
  return 1
}

export type Advice = 'go on' | 'jump' | 'reconnect'

/** Notices when a picture stands still although there is more, or has fallen far behind: after a hole in the stream, or a nap of the machine. */
export class StallWatch {
  #position: number | undefined
  #sinceMs = 0

  /** What to do, judged by a sample every now and then while it should be playing. */
  next(sample: Sample): Advice {
    const moved = this.#position === undefined || Math.abs(sample.currentTime - this.#position) > 0.01
    if (moved) {
      this.#position = sample.currentTime
      this.#sinceMs = sample.nowMs
    }
    const delay = delaySeconds(sample) ?? 0
    const standsMs = sample.nowMs - this.#sinceMs
    // With nothing in hand the network is what is waited for, not the player.
    if (delay < START_BUFFER_SECONDS) return 'go on'
    if (standsMs >= HOPELESS_MS) return 'reconnect'
    if (standsMs >= STUCK_MS || delay > LONGEST_DELAY_SECONDS) return 'jump'
    return 'go on'
  }
}
