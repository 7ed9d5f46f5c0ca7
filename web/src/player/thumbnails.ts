import type shaka from 'shaka-player/dist/shaka-player.ui-es2021.js'

/** A film that was uploaded a moment ago can be played before its pictures are made. */
const LOOK_AGAIN_MS = 15_000
const LOOKS = 40

/**
 * Gives the seek bar the pictures along the timeline, as soon as there are some. A film without them is still a film: the visitor is not
 * told of what goes wrong here, but the console is.
 */
export async function addThumbnails(player: shaka.Player, path: string, stop: AbortSignal): Promise<void> {
  // Shaka resolves the names of the pictures against this address, which therefore has to be a whole one.
  const url = new URL(path, location.href).href
  for (let look = 0; look < LOOKS && !stop.aborted; look++) {
    try {
      const answer = await fetch(url, { signal: stop })
      if (!answer.ok) return
      if ((await answer.text()).includes('-->')) {
        if (!stop.aborted) await player.addThumbnailsTrack(url, 'text/vtt')
        return
      }
    } catch (error) {
      if (stop.aborted) return
      console.warn('The pictures of the timeline are missing.', error)
    }
    await pause(stop)
  }
}

function pause(stop: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, LOOK_AGAIN_MS)
    stop.addEventListener('abort', () => (clearTimeout(timer), resolve()), { once: true })
  })
}
