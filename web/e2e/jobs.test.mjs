/**
 * What becomes of films that could not be processed, in a real browser against a running stack: their owner reads why and has one tried
 * again, an admin has another one tried again and drives dead letters back, and all of them play.
 *
 * Environment: BASE_URL, ADMIN_EMAIL, ADMIN_PASSWORD, UNLUCKY_EMAIL, UNLUCKY_PASSWORD, and GIVEN_UP_FILMS: the names, in lines, of three
 * uploads of that account that packaging has given up and whose cause is mended (`local/src/given_up.rs` makes them). SCREENSHOT_DIR is
 * optional.
 */
import assert from 'node:assert/strict'
import { mkdir } from 'node:fs/promises'
import path from 'node:path'
import { after, before, test } from 'node:test'
import { startBrowser } from './browser.mjs'

const baseUrl = required('BASE_URL').replace(/\/$/, '')
const admin = { email: required('ADMIN_EMAIL'), password: required('ADMIN_PASSWORD') }
const owner = { email: required('UNLUCKY_EMAIL'), password: required('UNLUCKY_PASSWORD') }
const [triedByOwner, triedByAdmin, drivenAgain] = required('GIVEN_UP_FILMS').split('\n')
const screenshotDir = process.env.SCREENSHOT_DIR

const READY_MS = 120_000
/** A message is given back once more after its last failure, and SQS then finds that it was its last. */
const DEAD_LETTER_MS = 300_000
const noFilm = `No film ${Date.now().toString(36)}`

let browser
/** The pages of the owner and of the admin. */
let owners
let admins
/** Errors that a page itself threw, and what its content security policy refused. */
const pageErrors = []

before(async () => {
  if (screenshotDir) await mkdir(screenshotDir, { recursive: true })
  browser = await startBrowser()
  owners = await signedIn(owner)
  admins = await signedIn(admin)
})

after(async () => {
  await browser?.close()
})

test('what becomes of films that could not be processed, in a browser', async (t) => {
  const step = (name, body) => t.test(name, body)

  await step('what is no film fails for good, and says why', async () => {
    await owners.getByRole('link', { name: 'Upload', exact: true }).click()
    await owners.getByLabel('Choose films to upload').setInputFiles({
      name: 'letter.mp4',
      mimeType: 'video/mp4',
      buffer: Buffer.from(`Dear reader ${noFilm}`),
    })
    await owners.getByLabel('Name', { exact: true }).fill(noFilm)
    await owners.getByRole('button', { name: 'Start the upload' }).click()
    await card(noFilm).getByText('Failed', { exact: true }).waitFor({ timeout: READY_MS })
    await owners.getByRole('navigation').getByRole('link', { name: 'My uploads' }).click()
    await card(noFilm).getByText('The file is not a video').waitFor()
    assert.equal(await card(noFilm).getByRole('button').count(), 0, 'nothing is offered that would not help')
  })

  await step('what failed by no fault of its own is tried again by its owner, and plays', async () => {
    await owners.reload()
    await card(triedByOwner).getByText('a fault on our side').waitFor()
    await card(triedByOwner).getByText('The file is kept until').waitFor()
    await screenshots(owners, 'uploads-failed')
    await owners.getByRole('button', { name: `Retry ${triedByOwner}` }).click()
    await plays(triedByOwner)
  })

  await step('an admin sees what failed, why and whose it is', async () => {
    await openFailedJobs()
    for (const name of [triedByAdmin, drivenAgain]) await job(name).getByText('a fault on our side').waitFor()
    await job(noFilm).getByText('The file is not a video').waitFor()
    assert.equal(await job(noFilm).getByRole('button').count(), 0)
    assert.equal(await job(triedByOwner).count(), 0, 'what was tried again is no failed job')
    await screenshots(admins, 'admin-jobs')
    await job(triedByAdmin).getByRole('link').click()
    await admins.getByRole('heading', { name: owner.email }).waitFor()
    await admins.goBack()
  })

  await step('an admin has a film tried again, and it plays', async () => {
    await job(triedByAdmin).getByRole('button', { name: `Retry ${triedByAdmin}` }).click()
    await admins.getByText(`“${triedByAdmin}” is tried again.`).waitFor()
    await job(triedByAdmin).waitFor({ state: 'detached' })
    await plays(triedByAdmin)
  })

  await step('a dead letter is driven back by the keyboard, and its film plays', async () => {
    const id = await job(drivenAgain).locator('code').first().innerText()
    const packaging = admins.getByRole('region', { name: 'Dead letters' }).getByRole('row').filter({ hasText: 'Packaging' })
    for (const end = Date.now() + DEAD_LETTER_MS; (await packaging.getByText(id).count()) === 0; ) {
      assert.ok(Date.now() < end, 'the message is among the dead letters')
      await admins.waitForTimeout(1000)
      await admins.reload()
      await job(drivenAgain).waitFor()
    }
    await screenshots(admins, 'admin-dead-letters')
    await packaging.getByRole('button', { name: 'Re-drive Packaging' }).focus()
    await admins.keyboard.press('Enter')
    await admins.getByText(/(One message is|\d+ messages are) tried again\./).waitFor()
    await plays(drivenAgain)
    await admins.reload()
    await job(noFilm).waitFor()
    assert.equal(await job(drivenAgain).count(), 0)
    assert.equal(await packaging.getByText(id).count(), 0)
  })

  await step('no page has thrown an error', () => assert.deepEqual(pageErrors, []))
})

async function signedIn({ email, password }) {
  const page = await (await browser.newContext({ viewport: { width: 1280, height: 900 }, locale: 'en-GB' })).newPage()
  page.setDefaultTimeout(60_000)
  page.on('pageerror', (error) => pageErrors.push(String(error)))
  page.on('console', (message) => {
    if (message.type() === 'error' && message.text().includes('Content Security Policy')) pageErrors.push(message.text())
  })
  await page.goto(`${baseUrl}/sign-in`)
  await page.getByLabel('E-mail').fill(email)
  await page.getByLabel('Password', { exact: true }).fill(password)
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.getByRole('heading', { name: 'Library' }).waitFor()
  return page
}

/** The card of an upload on the owner's page. */
function card(name) {
  return owners.getByRole('article', { name, exact: true })
}

/** The row of a failed upload on the admin's page. */
function job(name) {
  return admins.getByRole('region', { name: 'Failed uploads' }).getByRole('row').filter({ hasText: name })
}

async function openFailedJobs() {
  await admins.getByRole('button', { name: 'Account', exact: true }).click()
  await admins.getByRole('link', { name: 'Failed jobs' }).click()
  await admins.getByRole('heading', { name: 'Failed jobs' }).waitFor()
}

/** That an upload of the owner's becomes ready, and its film moves. */
async function plays(name) {
  await owners.goto(`${baseUrl}/uploads`)
  await card(name).getByText('Ready', { exact: true }).waitFor({ timeout: READY_MS })
  await card(name).getByRole('link', { name: 'Watch' }).click()
  await owners.getByRole('heading', { name }).waitFor()
  await owners.waitForFunction(() => document.querySelector('video')?.readyState >= 2)
  await owners.locator('video').evaluate((video) => {
    video.muted = true
    return video.play()
  })
  await owners.waitForFunction(() => document.querySelector('video').currentTime > 0.5)
  await owners.goto(`${baseUrl}/uploads`)
}

/** As on a small phone and on a desktop, light and dark. */
async function screenshots(page, name) {
  if (!screenshotDir) return
  for (const [kind, width] of [
    ['phone', 340],
    ['desktop', 1280],
  ]) {
    await page.setViewportSize({ width, height: 900 })
    for (const colorScheme of ['light', 'dark']) {
      await page.emulateMedia({ colorScheme })
      await page.screenshot({ path: path.join(screenshotDir, `${name}-${kind}-${colorScheme}.png`), fullPage: true })
    }
  }
  await page.emulateMedia({ colorScheme: null })
  await page.setViewportSize({ width: 1280, height: 900 })
}

function required(name) {
  const value = process.env[name]
  assert.ok(value, `${name} is needed`)
  return value
}
