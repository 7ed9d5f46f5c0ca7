/**
 * Films of many kinds, packaged by `matinee-media` and played in Chromium by hls.js, Shaka and dash.js: each has to start at its first picture,
 * play, take a seek to near its end and one back to its start, and run to its end without an error and without anything missing.
 *
 * Environment, all optional: MATINEE_MEDIA (the command that packages, else what Cargo built last), FFMPEG, FILMS (a regular expression that
 * chooses among the films), PLAYERS (names, separated by commas; beside those of the default there is shaka-hls).
 */
import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { after, before, describe, test } from 'node:test'
import { startBrowser } from '../browser.mjs'
import { serve } from './file-server.mjs'
import { makeFilms, makeFlashes } from './films.mjs'
import { tracksOf } from './sidx.mjs'

const PLAYERS = (process.env.PLAYERS ?? 'hls,shaka,dash').split(',')
const chosen = new RegExp(process.env.FILMS ?? '')

/** What rounding to the browser's microseconds and to a player's floating point takes. */
const ROUNDING_S = 0.0015
/** Of the films with flashes. */
const FRAME_S = 0.04

const directory = await mkdtemp(path.join(tmpdir(), 'matinee-players-'))
const films = await makeFilms(directory, (name) => chosen.test(name))
const flashes = chosen.test('flashes') ? await makeFlashes(directory) : []
let server
let browser

before(async () => {
  const modules = path.resolve(import.meta.dirname, '../../node_modules')
  server = await serve({ films: directory, modules, page: import.meta.dirname })
  browser = await startBrowser()
})

after(async () => {
  await browser?.close()
  await server?.close()
  await rm(directory, { recursive: true, force: true })
})

describe('players', { concurrency: 3 }, () => {
  for (const film of films) {
    test(film.name, async (t) => {
      for (const player of PLAYERS.filter((player) => !film.notBy.includes(player))) await t.test(player, () => plays(film, player))
    })
  }
})

describe('sound and picture', () => {
  for (const film of flashes) {
    test(film.name, async (t) => {
      const expected = await delay('original', film.original)
      for (const player of PLAYERS) {
        await t.test(player, async () => {
          const found = await delay(player, film.folder)
          const off = found - expected
          t.diagnostic(`${player}: sound is ${Math.round(off * 1000)} ms later than in the original`)
          assert.ok(Math.abs(off) < FRAME_S, `sound comes ${found} s after the picture, in the original ${expected} s`)
        })
      }
    })
  }
})

/** By how much sound comes later than the picture, the median of several times. */
async function delay(player, address) {
  const context = await browser.newContext()
  try {
    const page = await context.newPage()
    await page.goto(`${server.url}/page/page.html`)
    await page.mouse.click(5, 5)
    const { problems, between } = await page.evaluate(
      ([player, url]) => globalThis.flashes(player, url),
      [player, `/films/${address}`],
    )
    assert.deepEqual(problems, [])
    assert.ok(between.length >= 4, `${between.length} flashes were seen and heard`)
    return between.toSorted((a, b) => a - b)[Math.floor(between.length / 2)]
  } finally {
    await context.close()
  }
}

async function plays({ name, sounds, folder }, player) {
  const context = await browser.newContext()
  let found
  try {
    const page = await context.newPage()
    const thrown = []
    page.on('pageerror', (error) => thrown.push(String(error)))
    await page.goto(`${server.url}/page/page.html`)
    const url = `/films/${encodeURIComponent(path.basename(folder))}`
    found = await page.evaluate(([player, url]) => globalThis.watch(player, url), [player, url])
    assert.deepEqual([...found.problems, ...thrown], [], JSON.stringify(found))
    const tracks = await tracksOf(folder)
    const end = Math.max(...tracks.map((track) => track.end))
    near(found.duration, end, 'the duration')
    near(found.endedAt, end, 'where it ended')
    assert.equal(found.sounds, sounds, 'tracks of sound')
    const video = tracks.find((track) => track.kind === 'video')
    if (video) near(found.firstPicture, 0, 'the first picture')
    for (const { kind, ranges } of found.buffered) {
      const track = tracks.find((track) => track.kind === kind)
      assert.equal(ranges.length, 1, `${kind} in one run: ${JSON.stringify(ranges)}`)
      near(ranges[0][0], track.start, `where ${kind} starts`)
      near(ranges[0][1], track.end, `where ${kind} ends`)
    }
    assert.equal(found.buffered.length, new Set(tracks.map((track) => track.kind)).size)
    if (name.startsWith('turned')) assert.deepEqual(found.size, [180, 320])
  } finally {
    await context.close()
  }

  function near(seconds, expected, what) {
    assert.ok(Math.abs(seconds - expected) <= ROUNDING_S, `${what} is ${seconds}, expected ${expected}: ${JSON.stringify(found)}`)
  }
}
