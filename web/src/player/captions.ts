import type shaka from 'shaka-player/dist/shaka-player.ui-es2021.js'

const KEY = 'c'

/** Subtitles are chosen by the button in the bar, and switched on and off by a key, wherever the focus is, save in a text field. */
export function switchCaptionsByKey(player: shaka.Player, left: AbortSignal): void {
  let last: shaka.extern.TextTrack | undefined
  const listening = { signal: left }
  const remember = () => {
    last = active(player) ?? last
  }
  for (const event of ['textchanged', 'trackschanged']) player.addEventListener(event, remember)
  left.addEventListener('abort', () => {
    for (const event of ['textchanged', 'trackschanged']) player.removeEventListener(event, remember)
  })
  const onKey = (event: KeyboardEvent) => {
    const hasModifier = event.ctrlKey || event.metaKey || event.altKey
    if (event.key.toLowerCase() !== KEY || hasModifier || event.repeat || isTyping(event.target)) return
    if (active(player)) {
      player.selectTextTrack()
      return
    }
    const tracks = player.getTextTracks()
    const track = tracks.find(({ id }) => id === last?.id) ?? preferred(tracks) ?? tracks[0]
    if (track) player.selectTextTrack(track)
  }
  window.addEventListener('keydown', onKey, listening)
}

/** Shows subtitles that the film itself wants shown: those for what is said in another language, and those marked as default. */
export function showWantedCaptions(player: shaka.Player): void {
  const tracks = player.getTextTracks()
  if (tracks.some((track) => track.active)) return
  const wanted = tracks.find((track) => track.forced) ?? tracks.find((track) => track.primary)
  if (wanted) player.selectTextTrack(wanted)
}

function active(player: shaka.Player): shaka.extern.TextTrack | undefined {
  return player.getTextTracks().find((track) => track.active)
}

/** In the language of the browser. */
function preferred(tracks: shaka.extern.TextTrack[]): shaka.extern.TextTrack | undefined {
  const own = navigator.language.split('-')[0]
  return tracks.find(({ language }) => language.split('-')[0] === own)
}

function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName)) && !isRange(target)
}

/** The bars of the player are inputs too, but nobody writes in them. */
function isRange(target: HTMLElement): boolean {
  return target instanceof HTMLInputElement && target.type === 'range'
}
