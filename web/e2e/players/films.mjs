/**
 * The films that players have to play: samples of the packager, and what ffmpeg makes on the spot. Small pictures, because what is tried is
 * times, indexes and codecs, and because three players share a machine.
 */
import { execFile } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)
const project = path.resolve(import.meta.dirname, '../../..')
const samples = path.join(project, 'crates/media/samples')

const SOUND = '-f lavfi -i sine=f=440:r=48000:d=6'
const H264 = '-c:v libx264 -preset veryfast -pix_fmt yuv420p -bf 2 -g 48 -threads 1'
const AAC = '-c:a aac -b:a 64k -ac 2'
const VP9 = '-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -g 48 -b:v 120k'
const OPUS = '-c:a libopus -b:a 48k -ac 2'

function picture(rate, seconds = 6) {
  return `-f lavfi -i testsrc2=s=192x108:r=${rate}:d=${seconds}`
}

/**
 * Each with what it takes to make it; a sample is there already. `sounds` where there is more or less than one track of sound, `notBy` where a
 * player can't: hls.js waits for a second picture before it tells the browser that there is none, and Shaka ends HLS where its shortest track ends.
 */
const FILMS = [
  { sample: 'h264_aac_faststart.mp4' },
  { sample: 'h264_aac_ctts_v1_negative.mp4' },
  { sample: 'h264_aac_editlists_trim_delay.mp4' },
  { sample: 'h264_opengop.mp4' },
  { sample: 'h264_aac_vfr.mp4' },
  { sample: 'h264_aac_fragmented_nosidx.mp4' },
  { sample: 'h264_aac.mkv' },
  { sample: 'qt_aac_wave.mov' },
  { sample: 'vp9_opus.webm' },
  { sample: 'vp9_opus_live_nocues.webm' },
  { sample: 'vp9_opus.mp4' },
  { sample: 'av1_opus.mp4' },
  { sample: 'audio_only.m4a' },
  { name: 'rate-23.976.mp4', made: [picture('24000/1001'), SOUND, H264, AAC] },
  { name: 'rate-59.94.mkv', made: [picture('60000/1001'), SOUND, H264, AAC] },
  { name: 'rate-120.mp4', made: [picture(120), SOUND, H264, AAC] },
  { name: 'pyramid.mp4', made: [picture(25), SOUND, H264, '-bf 8 -b_strategy 2 -x264-params b-pyramid=strict', AAC] },
  { name: 'pyramid.mkv', made: [picture(25), SOUND, H264, '-bf 8 -b_strategy 2 -x264-params b-pyramid=strict', AAC] },
  { name: 'open-groups.mkv', made: [picture(25), SOUND, H264, '-x264-params open-gop=1:scenecut=0', AAC] },
  { name: 'long-group.mp4', made: [picture(25, 12), H264, '-g 1000'], sounds: 0 },
  { name: 'fragments.mp4', made: [picture(25), SOUND, H264, AAC, '-movflags +frag_keyframe+empty_moov+delay_moov'] },
  { name: 'surround.mp4', made: [picture(25), SOUND, H264, '-af aformat=channel_layouts=5.1 -c:a aac'] },
  { name: 'surround.mkv', made: [picture(25), SOUND, VP9, '-af aformat=channel_layouts=5.1 -c:a libopus'] },
  { name: 'mono-8-khz.mp4', made: [picture(25), SOUND, H264, '-c:a aac -ac 1 -ar 8000'] },
  { name: 'flac.mkv', made: [picture(25), SOUND, H264, '-c:a flac'] },
  {
    name: 'languages.mp4',
    made: [picture(25), SOUND, '-map 0:v -map 1:a -map 1:a', H264, AAC, '-metadata:s:a:0 language=deu -metadata:s:a:1 language=fra'],
    sounds: 2,
  },
  { name: 'late-sound.webm', made: [picture(25), '-itsoffset 0.7', SOUND, VP9, OPUS] },
  { name: 'late-picture.mp4', made: ['-itsoffset 0.5', picture(25), SOUND, H264, AAC] },
  { name: 'short-sound.mp4', made: [picture(25), SOUND, H264, AAC, '-af atrim=end=3'], notBy: ['shaka-hls'] },
  { name: 'long-sound.mp4', made: [picture(25, 4), '-f lavfi -i sine=f=440:r=48000:d=14', H264, AAC] },
  { name: 'one-picture.mp4', made: [picture(25), H264, '-frames:v 1'], sounds: 0 },
  { name: 'one-picture-with-sound.mp4', made: [picture(25, 0.04), SOUND, H264, AAC], notBy: ['hls'] },
  { name: 'turned.mov', sample: 'h264_aac_faststart.mp4', copied: ['-display_rotation 90'] },
]

const FLASHES = String.raw`-f lavfi -i color=black:s=192x108:r=25:d=8,drawbox=c=white:t=fill:enable='between(mod(t\,1)\,0.499\,0.75)'`
const BEEPS = String.raw`-f lavfi -i aevalsrc='between(mod(t\,1)\,0.5\,0.75)*sin(2*PI*1000*t)':s=48000:d=8`

/** Films whose picture turns white and whose tone begins at the same instants, every second, with their originals. */
export async function makeFlashes(directory) {
  const films = [
    { name: 'flashes.mp4', made: [FLASHES, BEEPS, H264, '-bf 3', AAC] },
    { name: 'flashes.webm', made: [FLASHES, BEEPS, VP9, OPUS] },
  ]
  await mkdir(directory, { recursive: true })
  for (const film of films) await packageFilm(directory, film)
  return films.map(({ name }) => ({ name, original: name, folder: `${name}.out` }))
}

/** Makes and packages all films below a directory, several at a time. Answers name, folder and tracks of each. */
export async function makeFilms(directory, wanted = () => true) {
  const films = FILMS.map((film) => ({ ...film, name: film.name ?? film.sample })).filter((film) => wanted(film.name))
  await mkdir(directory, { recursive: true })
  const left = [...films]
  const worker = async () => {
    for (let film = left.shift(); film; film = left.shift()) await packageFilm(directory, film)
  }
  await Promise.all([worker(), worker()])
  return films.map(({ name, sounds = 1, notBy = [] }) => ({ name, sounds, notBy, folder: path.join(directory, `${name}.out`) }))
}

async function packageFilm(directory, { name, sample, made, copied }) {
  let source = sample && path.join(samples, sample)
  if (made) source = await make(path.join(directory, name), made)
  if (copied) source = await make(path.join(directory, name), [...copied, `-i ${source}`, '-c copy'])
  const out = path.join(directory, `${name}.out`)
  const { stdout } = await run(packager(), ['package', source, out])
  await writeFile(path.join(out, 'packaged.txt'), stdout)
}

/** Runs ffmpeg; `words` are groups of arguments. */
export async function make(file, words) {
  const inputs = words.flatMap((group) => group.split(' '))
  await run(ffmpeg(), ['-nostdin', '-y', '-v', 'error', ...inputs, file])
  return file
}

/** The command that packages: from the environment, or the newest that Cargo built here. */
export function packager() {
  return process.env.MATINEE_MEDIA ?? path.join(project, 'target/debug/matinee-media')
}

function ffmpeg() {
  if (process.env.FFMPEG) return process.env.FFMPEG
  const libraries = path.join(project, '.matinee/python/lib')
  const pythons = existsSync(libraries) ? readdirSync(libraries) : []
  for (const python of pythons) {
    const binaries = path.join(libraries, python, 'site-packages/imageio_ffmpeg/binaries')
    const found = existsSync(binaries) && readdirSync(binaries).find((name) => name.startsWith('ffmpeg-'))
    if (found) return path.join(binaries, found)
  }
  return 'ffmpeg'
}
