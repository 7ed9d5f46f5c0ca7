/**
 * A second person's upload of a film that is stored, in a real browser, over a line that no part gets through: it is listed all the same.
 *
 * Environment: BASE_URL, PUBLISHER_EMAIL, PUBLISHER_PASSWORD, ADMIN_EMAIL, ADMIN_PASSWORD, FILM (an MP4 of 40 MB or more);
 * SCREENSHOT_DIR is optional.
 */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { appendFile, copyFile, mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { after, before, test } from 'node:test'
import { startBrowser } from './browser.mjs'
import { PartGate } from './part-gate.mjs'

const baseUrl = required('BASE_URL').replace(/\/$/, '')
const people = ['PUBLISHER', 'ADMIN'].map((role) => ({
  email: required(`${role}_EMAIL`),
  password: required(`${role}_PASSWORD`),
}))
const screenshotDir = process.env.SCREENSHOT_DIR
const READY_MS = 120_000

let browser
let folder
let film

before(async () => {
  if (screenshotDir) await mkdir(screenshotDir, { recursive: true })
  folder = await mkdtemp(path.join(tmpdir(), 'matinee-instant-'))
  film = path.join(folder, 'film.mp4')
  await copyFile(required('FILM'), film)
  // A box that players skip (ISO/IEC 14496-12, 8.1.2), so that nobody has sent this film before.
  await appendFile(film, Buffer.concat([Buffer.from([0, 0, 0, 24]), Buffer.from('free'), randomBytes(16)]))
  browser = await startBrowser()
})

after(async () => {
  await browser?.close()
  if (folder) await rm(folder, { recursive: true })
})

test('a film that somebody else has sent is listed without sending it', async () => {
  const [first, second] = people
  const one = await uploadPage(first)
  const name = `Sent once ${Date.now().toString(36)}`
  await begin(one.page, name)
  await one.card(name).getByText('Ready', { exact: true }).waitFor({ timeout: READY_MS })
  const parts = new Set(one.gate.arrived).size
  assert.ok(parts >= 5, `the film has ${parts} parts only`)

  const other = await uploadPage(second)
  await other.page.getByText(/ are left, in films of up to /).waitFor()
  await other.gate.hold(() => false)
  await begin(other.page, name)
  const card = other.card(name)
  await card.getByText('Ready', { exact: true }).waitFor({ timeout: READY_MS })
  await card.getByText('has this very film already').waitFor()
  assert.deepEqual(other.gate.arrived, [], 'no part got through')
  assert.ok(other.gate.started.length <= 4, `${other.gate.started.length} parts were begun`)
  if (screenshotDir) await other.page.screenshot({ path: path.join(screenshotDir, 'upload-instant.png') })
  other.gate.let(() => true)

  await card.getByRole('link', { name: 'Watch' }).click()
  await other.page.getByRole('heading', { name }).waitFor()
  await other.page.getByRole('button', { name: 'Play' }).first().click()
  await other.page.waitForFunction(() => document.querySelector('video').currentTime > 1)
})

async function uploadPage({ email, password }) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, locale: 'en-GB' })
  const page = await context.newPage()
  const gate = new PartGate(page)
  await page.goto(`${baseUrl}/sign-in?redirect=%2Fupload`)
  await page.getByLabel('E-mail').fill(email)
  await page.getByLabel('Password', { exact: true }).fill(password)
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.getByRole('heading', { name: 'Upload', level: 1 }).waitFor()
  return { page, gate, card: (name) => page.getByRole('article', { name }) }
}

async function begin(page, name) {
  await page.getByLabel('Choose films to upload').setInputFiles(film)
  await page.getByLabel('Name', { exact: true }).fill(name)
  await page.getByRole('button', { name: 'Start the upload' }).click()
}

function required(name) {
  const value = process.env[name]
  if (!value) throw new Error(`Set ${name} to run the browser test.`)
  return value
}
