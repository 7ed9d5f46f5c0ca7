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
import { makeFilms } from './films.mjs'
import { tracksOf } from './sidx.mjs'

const PLAYERS = (process.env.PLAYERS ?? 'hls,shaka,dash').split(',')
const chosen = new RegExp(process.env.FILMS ?? '')

/** What rounding to the browser's microseconds and to a player's floating point takes. */
const ROUNDING_S = 0.0015

const directory = await mkdtemp(path.join(tmpdir(), 'matinee-players-'))
const films = await makeFilms(directory, (name) => chosen.test(name))
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
