/**
 * Runs in the page: has one of three players play a film as a person would who looks at its start, skips to near its end, goes back, and
 * watches it through. Answers what went wrong, and what the browser has of the film by then.
 */

/** Everything here takes well under a second on a machine with nothing else to do. */
const PATIENCE_MS = 60_000

/**
 * After going back, sound and the end of the picture are buffered before its beginning is: on a busy machine Shaka, which looks four times
 * a second, takes that for a gap of the film. One of the film is jumped over all the same.
 */
const PATIENT = { streaming: { gapJumpTimerTime: 2 } }

const video = document.querySelector('video')
video.muted = true

/** What players append to: the browser knows to the microsecond where each track begins and ends. */
const buffers = []
const addSourceBuffer = MediaSource.prototype.addSourceBuffer
MediaSource.prototype.addSourceBuffer = function (type) {
  const buffer = addSourceBuffer.call(this, type)
  buffers.push({ kind: type.startsWith('video') ? 'video' : 'audio', buffer })
  return buffer
}

/** Each loads `folder` and answers with a function that tells how many tracks of sound it offers. */
const players = {
  async hls(folder, problem) {
    const hls = new Hls()
    hls.on(Hls.Events.ERROR, (_, { fatal, details, error }) => {
      // A busy machine may keep a player waiting, which it says and which is no error of the film.
      if (fatal || details !== Hls.ErrorDetails.BUFFER_STALLED_ERROR) problem(`hls.js: ${details} ${error?.message ?? ''}`)
    })
    hls.loadSource(`${folder}/master.m3u8`)
    hls.attachMedia(video)
    return () => hls.audioTracks.length || Number(hls.levels[0]?.audioCodec !== undefined)
  },
  async shaka(folder, problem) {
    shaka.polyfill.installAll()
    const player = new shaka.Player()
    player.configure(PATIENT)
    await player.attach(video)
    player.addEventListener('error', ({ detail }) => problem(`Shaka: ${detail.code} ${detail.message}`))
    await player.load(`${folder}/manifest.mpd`)
    return () => {
      if (player.getStats().gapsJumped > 0) problem('Shaka jumped over a gap')
      return player.getAudioTracks().length
    }
  },
  async 'shaka-hls'(folder, problem) {
    shaka.polyfill.installAll()
    const player = new shaka.Player()
    player.configure(PATIENT)
    await player.attach(video)
    player.addEventListener('error', ({ detail }) => problem(`Shaka: ${detail.code} ${detail.message}`))
    await player.load(`${folder}/master.m3u8`)
    return () => {
      if (player.getStats().gapsJumped > 0) problem('Shaka jumped over a gap')
      return player.getAudioTracks().length
    }
  },
  async dash(folder, problem) {
    const player = dashjs.MediaPlayer().create()
    player.updateSettings({ debug: { logLevel: dashjs.Debug.LOG_LEVEL_NONE } })
    player.on(dashjs.MediaPlayer.events.ERROR, ({ error }) => problem(`dash.js: ${error?.code ?? ''} ${error?.message ?? error}`))
    player.on(dashjs.MediaPlayer.events.PLAYBACK_ERROR, ({ error }) => problem(`dash.js: ${error?.message ?? error}`))
    player.initialize(video, `${folder}/manifest.mpd`, false)
    return () => player.getTracksFor('audio').length
  },
}

/** The film's own file, by ranges, without a player. */
async function original(file) {
  video.src = file
}

/**
 * Plays a film that turns white and sounds at once, every second. Answers by how much later the sound was heard than the white was seen, in
 * seconds, for each time. The page needs to have been clicked on: browsers let no page make a noise before.
 */
async function flashes(name, address) {
  video.muted = false
  const sound = new AudioContext()
  await sound.audioWorklet.addModule('/page/onsets.js')
  const onsets = new AudioWorkletNode(sound, 'onsets')
  sound.createMediaElementSource(video).connect(onsets).connect(sound.destination)
  const heard = []
  onsets.port.onmessage = ({ data }) => {
    // When what is at the output by now was made is known; what is made now is heard as much later.
    const { contextTime, performanceTime } = sound.getOutputTimestamp()
    heard.push(performanceTime / 1000 + data - contextTime)
  }
  const canvas = new OffscreenCanvas(1, 1).getContext('2d', { willReadFrequently: true })
  const seen = []
  let white = false
  const look = (_, { expectedDisplayTime }) => {
    canvas.drawImage(video, 0, 0, 1, 1)
    const bright = canvas.getImageData(0, 0, 1, 1).data[0] > 128
    if (bright && !white) seen.push(expectedDisplayTime / 1000)
    white = bright
    video.requestVideoFrameCallback(look)
  }
  video.requestVideoFrameCallback(look)
  const problems = []
  if (name === 'original') await original(address)
  else await players[name](address, (text) => problems.push(text))
  await sound.resume()
  await video.play().catch(() => undefined)
  const state = () => `at ${video.currentTime} of ${video.duration}, ready ${video.readyState}, audio ${sound.state} at ${sound.currentTime}`
  await new Promise((ended, late) => {
    video.addEventListener('ended', ended)
    setTimeout(() => late(new Error(`it did not end: ${state()}`)), PATIENCE_MS)
  })
  const between = seen.map((at) => heard.map((other) => other - at).find((after) => Math.abs(after) < 0.4))
  return { problems, between: between.filter((seconds) => seconds !== undefined) }
}

async function watch(name, folder) {
  const problems = []
  const problem = (text) => problems.push(text)
  const result = { problems }
  video.addEventListener('error', () => problem(`the element: ${video.error?.message}`))
  let ended = false
  video.addEventListener('ended', () => {
    // A seek may have been wished for meanwhile, and dash.js returns to the start by itself.
    if (video.seeking) return
    ended = true
    result.endedAt = video.currentTime
    result.duration = video.duration
  })
  video.requestVideoFrameCallback((_, { mediaTime }) => (result.firstPicture = mediaTime))
  try {
    const sounds = await players[name](folder, problem)
    await until(() => video.readyState >= HTMLMediaElement.HAVE_FUTURE_DATA || ended, 'something to play', false)
    const { duration } = video
    if (video.videoWidth > 0) {
      // Shown before it plays; once it does, a busy machine may skip pictures.
      await until(() => result.firstPicture !== undefined, 'a picture', false)
      result.size = [video.videoWidth, video.videoHeight]
    }
    await play()
    await until(() => video.currentTime >= Math.min(0.5, duration / 2) || ended, 'it to play')

    await seek(Math.max(duration * 0.6, duration - 1))
    await seek(0)
    ended = false
    video.playbackRate = 4
    await play()
    await until(() => ended, 'the end')
    result.sounds = sounds()
    result.buffered = buffers.map(({ kind, buffer }) => ({ kind, ranges: ranges(buffer.buffered) }))
  } catch (error) {
    problem(error.message)
  }
  return result

  async function seek(seconds) {
    ended = false
    video.currentTime = seconds
    await until(() => !video.seeking, `the seek to ${seconds}`)
    await play()
    await until(() => video.currentTime > seconds + 0.2 || ended, `it to play on from ${seconds}`)
  }

  /** Players may be loading something else at the moment, which ends a wish to play. */
  async function play() {
    await video.play().catch((error) => {
      if (error.name !== 'AbortError') throw error
    })
  }

  async function until(true_, what, playing = true) {
    const deadline = performance.now() + PATIENCE_MS
    while (!true_()) {
      if (problems.length > 0) throw new Error(`so it stopped waiting for ${what}`)
      if (performance.now() > deadline) {
        const state = `at ${video.currentTime} of ${video.duration}, ready ${video.readyState}, has ${JSON.stringify(ranges(video.buffered))}`
        throw new Error(`waited in vain for ${what}: ${state}`)
      }
      if (playing && video.paused && !ended) await play()
      await new Promise((later) => setTimeout(later, 20))
    }
  }
}

function ranges(timeRanges) {
  return Array.from({ length: timeRanges.length }, (_, index) => [timeRanges.start(index), timeRanges.end(index)])
}

Object.assign(globalThis, { watch, flashes })
