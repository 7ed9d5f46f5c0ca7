/**
 * Watching live in a real browser against a running stack with at least two live channels: choose one, hear it, switch, lose the
 * network, leave.
 *
 * Environment: BASE_URL, VIEWER_EMAIL, VIEWER_PASSWORD; SCREENSHOT_DIR is optional.
 */
import assert from 'node:assert/strict'
import { mkdir } from 'node:fs/promises'
import path from 'node:path'
import { after, before, test } from 'node:test'
import { startBrowser } from './browser.mjs'
import { Line } from './line.mjs'

const baseUrl = required('BASE_URL').replace(/\/$/, '')
const viewer = { email: required('VIEWER_EMAIL'), password: required('VIEWER_PASSWORD') }
const screenshotDir = process.env.SCREENSHOT_DIR

/** A relay may have been started a moment ago, and the list is a few seconds old. */
const LIVE_MS = 60_000

let browser
let line
let context
let page
/** Errors that the page itself threw, and what its content security policy refused. None is expected in the whole test. */
const pageErrors = []
/** The relay's streams that the page has open. */
const streams = new Set()

before(async () => {
  if (screenshotDir) await mkdir(screenshotDir, { recursive: true })
  browser = await startBrowser()
  line = await Line.start()
  ;({ context, page } = await newVisitor())
  const begins = (request) => isStream(request) && streams.add(request)
  const ends = (request) => streams.delete(request)
  page.on('request', begins).on('requestfinished', ends).on('requestfailed', ends)
})

after(async () => {
  await browser?.close()
  line?.close()
})

test('watching live, in a browser', async (t) => {
  const step = (name, body) =>
    t.test(name, async () => {
      try {
        await body()
      } catch (error) {
        await screenshot(`failed ${name.replaceAll(/[^a-z]+/gi, ' ').trim()}`)
        throw error
      }
    })
  const rail = page.getByRole('region', { name: 'Live now' })
  let first
  let second

  await step('the channels are listed to a viewer who has signed in', async () => {
    await page.goto(`${baseUrl}/live`)
    await signIn(page, viewer)
    await page.getByRole('heading', { name: 'Live', exact: true, level: 1 }).waitFor()
    assert.equal(await page.getByRole('link', { name: 'Live', exact: true }).getAttribute('aria-current'), 'page')
    const channels = page.getByRole('article').getByRole('link')
    await channels.nth(1).waitFor({ timeout: LIVE_MS })
    ;[first, second] = await channels.allTextContents()
    await page.getByText('bit/s').first().waitFor()
    await screenshot('live-list')
    assert.equal(streams.size, 0)
  })

  await step('a channel plays near its live edge', async () => {
    await page.getByRole('link', { name: first }).click()
    await page.getByRole('heading', { name: first, level: 1 }).waitFor()
    await plays()
    await page.getByText(/^\d+\.\d s behind$/).waitFor()
    await advances(5)
    const delaySeconds = await page.locator('video').evaluate(({ buffered, currentTime }) => buffered.end(buffered.length - 1) - currentTime)
    assert.ok(delaySeconds < 4, `${delaySeconds} s behind`)
    assert.equal(streams.size, 1)
    await page.locator('video').hover()
    await screenshot('live')
  })

  await step('sound goes off and on, by button and by key', async () => {
    const isMuted = () => page.locator('video').evaluate(({ muted }) => muted)
    const before = await isMuted()
    await page.getByRole('button', { name: before ? 'Unmute' : 'Mute', exact: true }).click()
    assert.equal(await isMuted(), !before)
    await page.keyboard.press('m')
    assert.equal(await isMuted(), before)
    await page.getByRole('slider', { name: 'Volume' }).fill('0.25')
    assert.equal(await page.locator('video').evaluate(({ volume }) => volume), 0.25)
  })

  await step('it fills the screen and comes back', async () => {
    await page.getByRole('button', { name: 'Full screen' }).click()
    await page.waitForFunction(() => document.fullscreenElement !== null)
    await page.keyboard.press('f')
    await page.waitForFunction(() => document.fullscreenElement === null)
  })

  await step('a pause ends the download, and it goes on with what is live', async () => {
    await page.getByRole('button', { name: 'Pause' }).click()
    await streamsAre(0)
    await page.getByRole('button', { name: 'Go on live' }).click()
    await plays()
    assert.equal(streams.size, 1)
  })

  await step('another channel takes its place', async () => {
    await rail.getByRole('link', { name: second }).click()
    await page.getByRole('heading', { name: second, level: 1 }).waitFor()
    await plays()
    await streamsAre(1)
    assert.ok([...streams][0].url().endsWith(`/live/${second}`))
  })

  await step('a lost network is told, and got over when it is back', async () => {
    const [before] = streams
    line.cut()
    await context.setOffline(true)
    await page.getByText('You are offline').waitFor({ timeout: 20_000 })
    await screenshot('live-offline')
    line.mend()
    await context.setOffline(false)
    await plays()
    await streamsAre(1)
    assert.notEqual([...streams][0], before)
    assert.notEqual(await authorizationOf([...streams][0]), await authorizationOf(before), 'each connection has a ticket of its own')
  })

  await step('a stream that ends, as in a restart of the relay, is taken up again', async () => {
    const [before] = streams
    line.dropAll()
    await page.getByText('Reconnecting…').waitFor()
    await screenshot('live-reconnecting')
    await plays()
    await streamsAre(1)
    assert.notEqual([...streams][0], before)
  })

  await step('leaving the page ends the download', async () => {
    await page.getByRole('link', { name: 'Library' }).click()
    await page.getByRole('heading', { name: 'Library' }).waitFor()
    await streamsAre(0)
  })

  await step('what was watched is told', async () => {
    await page.getByRole('link', { name: 'Live', exact: true }).click()
    const usage = page.getByRole('region', { name: 'Your last 24 hours' })
    await usage.getByRole('term').getByText(first).waitFor({ timeout: LIVE_MS })
  })

  await step('where the browser wants to be asked for sound, it plays without and says so', async () => {
    const tab = await context.newPage()
    watch(tab)
    // Visitors' browsers want a click before a page may make a noise. Here each look into the page counts as one.
    await tab.addInitScript(() => {
      const { play } = HTMLMediaElement.prototype
      let clicked = false
      addEventListener('click', () => (clicked = true), { capture: true })
      HTMLMediaElement.prototype.play = function () {
        return this.muted || clicked ? play.call(this) : Promise.reject(new DOMException('', 'NotAllowedError'))
      }
    })
    await tab.goto(`${baseUrl}/live?channel=${first}`)
    await plays(tab)
    const isMuted = () => tab.locator('video').evaluate(({ muted }) => muted)
    assert.equal(await isMuted(), true)
    await screenshot('live-muted', tab)
    const turnOn = tab.getByRole('button', { name: 'Turn the sound on' })
    await turnOn.click()
    assert.equal(await isMuted(), false)
    await turnOn.waitFor({ state: 'detached' })
    await plays(tab)
    await tab.close()
  })

  await step('a channel that doesn’t exist is waited for', async () => {
    await page.goto(`${baseUrl}/live?channel=nobody`)
    await page.getByText('nobody isn’t live at the moment').waitFor({ timeout: 20_000 })
    await screenshot('live-silent')
  })

  await step('it plays on a phone, in the dark', async () => {
    const phone = await newVisitor({
      viewport: { width: 390, height: 844 },
      deviceScaleFactor: 2,
      isMobile: true,
      hasTouch: true,
      colorScheme: 'dark',
    })
    const at = phone.page
    await at.goto(`${baseUrl}/live?channel=${first}`)
    await signIn(at, viewer)
    await plays(at)
    await screenshot('phone-live', at)
    const wider = await at.evaluate(() => document.documentElement.scrollWidth - window.innerWidth)
    assert.ok(wider <= 0, 'the page must not scroll sideways')
    await at.getByRole('link', { name: 'Live', exact: true }).click()
    await at.getByRole('article').getByRole('link', { name: first }).waitFor()
    await screenshot('phone-live-list', at)
    await phone.context.close()
  })

  await step('the pages threw no error and broke no content security policy', () => {
    assert.deepEqual(pageErrors, [])
  })

  async function advances(seconds) {
    const from = await page.locator('video').evaluate(({ currentTime }) => currentTime)
    await page.waitForFunction((to) => document.querySelector('video').currentTime > to, from + seconds)
  }

  /** The picture moves, has something in hand, and is no black one. */
  async function plays(at = page) {
    await at.getByText(/^\d+\.\d s behind$/).waitFor({ timeout: LIVE_MS })
    await at.waitForFunction(() => {
      const { currentTime, readyState } = document.querySelector('video')
      return currentTime > 1 && readyState >= 3
    })
    const brightest = await at.locator('video').evaluate((video) => {
      const canvas = Object.assign(document.createElement('canvas'), { width: 64, height: 36 })
      const drawing = canvas.getContext('2d')
      drawing.drawImage(video, 0, 0, canvas.width, canvas.height)
      return Math.max(...drawing.getImageData(0, 0, canvas.width, canvas.height).data.filter((_, index) => index % 4 !== 3))
    })
    assert.ok(brightest > 40, `the picture is black: nothing in it is brighter than ${brightest}`)
  }

  async function streamsAre(count) {
    const until = Date.now() + 5_000
    while (streams.size !== count && Date.now() < until) await new Promise((go) => setTimeout(go, 50))
    assert.equal(streams.size, count, 'streams that are open')
  }
})

function isStream(request) {
  return new URL(request.url()).pathname.startsWith('/live/')
}

async function authorizationOf(request) {
  return (await request.allHeaders()).authorization
}

async function newVisitor(options = { viewport: { width: 1280, height: 800 }, colorScheme: 'light' }) {
  const visitor = await browser.newContext({ ...options, locale: 'en-GB', proxy: line.proxy })
  const firstPage = await visitor.newPage()
  watch(firstPage)
  return { context: visitor, page: firstPage }
}

function watch(visited) {
  visited.on('pageerror', (error) => pageErrors.push(String(error)))
  visited.on('console', (message) => {
    if (/content security policy/i.test(message.text())) pageErrors.push(message.text())
  })
}

async function signIn(at, { email, password }) {
  await at.getByLabel('E-mail').fill(email)
  await at.getByLabel('Password', { exact: true }).fill(password)
  await at.getByRole('button', { name: 'Sign in' }).click()
}

async function screenshot(name, of = page) {
  if (screenshotDir) await of.screenshot({ animations: 'disabled', path: path.join(screenshotDir, `${name}.png`) })
}

function required(name) {
  const value = process.env[name]
  if (!value) throw new Error(`Set ${name} to run the browser test.`)
  return value
}
