/**
 * Browsers that die in the middle of an upload, at random bytes: another browser, which knows nothing, is given the same file and goes on.
 * The same for the command `upload`, and for both in turn. What is sent twice is counted on the way to the
 * bucket, and at the bucket if that is the local AWS's.
 *
 * Environment: BASE_URL, PUBLISHER_EMAIL, PUBLISHER_PASSWORD, FILM; MATINEE_COMMAND is the program of `cargo run`, without which only
 * browsers are tried, and goes with ADMIN_EMAIL and ADMIN_PASSWORD. SEED is optional and replays one run.
 */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { appendFile, copyFile, mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { after, before, test } from 'node:test'
import { startBrowser } from './browser.mjs'
import { BucketMeter } from './bucket-meter.mjs'

const baseUrl = required('BASE_URL').replace(/\/$/, '')
const publisher = { email: required('PUBLISHER_EMAIL'), password: required('PUBLISHER_PASSWORD') }
const admin = { email: process.env.ADMIN_EMAIL, password: process.env.ADMIN_PASSWORD }
const film = required('FILM')
const command = process.env.MATINEE_COMMAND
const seeds = process.env.SEED ? [Number(process.env.SEED)] : [1, 2]
/** Who sends, in turn. */
const kinds = command ? { browsers: [byBrowser], commands: [byCommand], both: [byBrowser, byCommand] } : { browsers: [byBrowser] }

const KILLS = 3
/** How many parts are sent at a time, and how large they are. */
const CONNECTIONS = 4
const PART_BYTES = 8 * 1024 * 1024
/** A box that players skip makes the film so much larger. */
const PADDING_BYTES = 48 * 1024 * 1024
const READY_MS = 120_000

let browser
let folder

before(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'matinee-resume-'))
  browser = await startBrowser()
})

after(async () => {
  await browser?.close()
  await rm(folder, { recursive: true, force: true })
})

for (const [kind, senders] of Object.entries(kinds))
  for (const seed of seeds)
    test(`an upload outlives ${KILLS} kills of ${kind} (SEED=${seed})`, async (t) => {
      const random = generator(seed)
      const file = await uniqueFilm(`film-${kind}-${seed}.mp4`)
      const { size } = await stat(file)
      const name = `Outlives ${kind} ${seed} ${Date.now().toString(36)}`
      const meter = await BucketMeter.start()
      t.after(() => meter.close())

      let underWayBytes = 0
      let confirmed = new Set()
      for (let kill = 0; kill < KILLS; kill += 1) {
        const from = meter.sendings.length
        // Somewhere in what is missing, such that some is left for the others.
        const missing = size - confirmed.size * PART_BYTES
        const cut = meter.cutAfter(1 + Math.floor((random() * missing) / (KILLS - kill + 0.5)))
        const sender = await senders[kill % senders.length](meter, file, name)
        await cut
        await sender.kill()
        meter.restore()
        const sent = meter.sendings.slice(from)
        assertOnce(sent, confirmed)
        const underWay = sent.filter((sending) => !sending.confirmed)
        assert.ok(underWay.length <= CONNECTIONS, `${underWay.length} parts were under way`)
        underWayBytes += underWay.reduce((sum, { bytes }) => sum + bytes, 0)
      }

      const from = meter.sendings.length
      const sender = await senders[KILLS % senders.length](meter, file, name)
      await sender.end()
      assertOnce(meter.sendings.slice(from), confirmed)
      const againBytes = meter.sentBytes - size
      // Of what was under way, the bucket may have got some whole.
      assert.ok(againBytes >= 0 && againBytes <= underWayBytes, `${againBytes} bytes were sent again, ${underWayBytes} were under way`)
      assert.ok(againBytes <= KILLS * CONNECTIONS * PART_BYTES)
      const ofOne = againBytes / KILLS / CONNECTIONS / PART_BYTES
      t.diagnostic(`${size} bytes, ${againBytes} of them sent again: ${ofOne.toFixed(2)} parts for each connection that was killed`)
      const arrivedBytes = await meter.arrivedBytes()
      if (arrivedBytes === undefined) return
      // Some of what was cut off never got there.
      assert.ok(arrivedBytes >= size && arrivedBytes <= meter.sentBytes, `${arrivedBytes} bytes arrived of ${meter.sentBytes} that were sent`)
      t.diagnostic(`${arrivedBytes - size} bytes arrived at the bucket again`)

      /** No part is sent that the bucket had, nor one twice. */
      function assertOnce(sent, had) {
        assert.deepEqual(sent.filter(({ number }) => had.has(number)), [])
        assert.equal(new Set(sent.map(({ number }) => number)).size, sent.length)
        confirmed = new Set([...had, ...sent.filter((sending) => sending.confirmed).map(({ number }) => number)])
      }
    })

if (command)
  test('a command lists a film that is stored without sending it', async (t) => {
    const file = await uniqueFilm('film-stored.mp4')
    const meter = await BucketMeter.start()
    t.after(() => meter.close())
    await (await byCommand(meter, file, 'Sent')).end()
    const sent = meter.sentBytes
    meter.holdParts()
    await (await byCommand(meter, file, 'Shown', admin)).end()
    assert.equal(meter.sentBytes, sent)
  })

/** A browser that has never been here is given the file. */
async function byBrowser(meter, file, name) {
  const context = await browser.newContext({ locale: 'en-GB', proxy: { server: meter.url, bypass: '<-loopback>' } })
  const page = await context.newPage()
  await page.goto(`${baseUrl}/sign-in?redirect=%2Fupload`)
  await page.getByLabel('E-mail').fill(publisher.email)
  await page.getByLabel('Password', { exact: true }).fill(publisher.password)
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.getByRole('heading', { name: 'Upload', level: 1 }).waitFor()
  await page.getByLabel('Choose films to upload').setInputFiles(file)
  await page.getByLabel('Name', { exact: true }).fill(name)
  await page.getByRole('button', { name: 'Start the upload' }).click()
  return {
    kill: () => context.close(),
    async end() {
      const card = page.getByRole('article', { name })
      const end = card.getByText(/^(Ready|Duplicate|Failed)$/)
      await end.waitFor({ timeout: READY_MS })
      assert.equal(await end.textContent(), 'Ready', await card.innerText())
      await context.close()
    },
  }
}

async function byCommand(meter, file, name, { email, password } = publisher) {
  const child = spawn(command, ['upload', file, '--site', baseUrl, '--email', email, '--name', name], {
    env: { ...process.env, MATINEE_PASSWORD: password, http_proxy: meter.url },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let printed = ''
  let said = ''
  child.stdout.on('data', (text) => (printed += text))
  child.stderr.on('data', (text) => (said += text))
  const closed = new Promise((resolve) => child.on('close', resolve))
  return {
    async kill() {
      child.kill('SIGKILL')
      await closed
    },
    async end() {
      assert.equal(await closed, 0, said)
      assert.match(printed, /\/watch\/[^/]+\n$/)
    },
  }
}

async function uniqueFilm(name) {
  const file = path.join(folder, name)
  await copyFile(film, file)
  const box = randomBytes(PADDING_BYTES)
  box.writeUInt32BE(PADDING_BYTES)
  box.write('free', 4, 'latin1')
  await appendFile(file, box)
  return file
}

/** Mulberry32: numbers from 0 to 1 that depend on the seed alone. */
function generator(seed) {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

function required(name) {
  const value = process.env[name]
  if (!value) throw new Error(`Set ${name} to run the browser test.`)
  return value
}
