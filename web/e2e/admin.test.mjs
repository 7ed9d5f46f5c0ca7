/**
 * What an admin does with an account, in a real browser against a running stack: find it, make a publisher of it, end its sessions,
 * shut it out and let it in again; and that others are not shown any of this.
 *
 * Environment: BASE_URL, ADMIN_EMAIL, ADMIN_PASSWORD, VIEWER_EMAIL, VIEWER_PASSWORD; SCREENSHOT_DIR is optional. The code that confirms
 * the account of this walk is that of the local AWS, which is always the same.
 */
import assert from 'node:assert/strict'
import { mkdir } from 'node:fs/promises'
import path from 'node:path'
import { after, before, test } from 'node:test'
import { startBrowser } from './browser.mjs'

const baseUrl = required('BASE_URL').replace(/\/$/, '')
const admin = { email: required('ADMIN_EMAIL'), password: required('ADMIN_PASSWORD') }
const viewer = { email: required('VIEWER_EMAIL'), password: required('VIEWER_PASSWORD') }
const screenshotDir = process.env.SCREENSHOT_DIR

/** Whom it is about, who is new in each run. */
const somebody = { email: `somebody-${Date.now().toString(36)}@example.org`, password: 'Correct horse 7 battery' }

let browser
let page
/** Errors that the page itself threw, and what its content security policy refused. */
const pageErrors = []

before(async () => {
  if (screenshotDir) await mkdir(screenshotDir, { recursive: true })
  browser = await startBrowser()
  page = await newVisitor()
})

after(async () => {
  await browser?.close()
})

test('what an admin does with an account, in a browser', async (t) => {
  const step = (name, body) => t.test(name, body)

  await step('somebody registers', async () => {
    const post = (route, body) => page.request.post(`${baseUrl}/api${route}`, { data: body })
    assert.equal((await post('/sign-up', somebody)).status(), 202)
    assert.equal((await post('/codes/redeem', { ...somebody, code: '123456' })).status(), 204)
    assert.equal(await signInByRequest(), 200)
  })

  await step('an admin finds them by the beginning of their e-mail', async () => {
    await signIn(page, admin)
    await page.getByRole('button', { name: 'Account', exact: true }).click()
    await page.getByRole('link', { name: 'Manage accounts' }).click()
    await page.getByRole('heading', { name: 'Accounts' }).waitFor()
    await screenshots('admin-accounts')
    await page.getByLabel('E-mail begins with').fill('nobody-has-this')
    await page.getByRole('button', { name: 'Find' }).click()
    await page.getByText('No e-mail begins with “nobody-has-this”').waitFor()
    await page.getByLabel('E-mail begins with').fill(somebody.email.split('@')[0])
    await page.getByRole('button', { name: 'Find' }).click()
    await page.getByRole('link', { name: somebody.email }).click()
    await page.getByRole('heading', { name: somebody.email }).waitFor()
    await page.getByRole('cell', { name: 'Signed in' }).first().waitFor()
    await page.getByText('None.').waitFor()
    await screenshots('admin-account')
  })

  await step('roles are changed after a question', async () => {
    const save = page.getByRole('button', { name: 'Save the roles' })
    assert.ok(await save.isDisabled(), 'nothing is to be saved yet')
    await page.getByLabel('Publisher').check()
    await save.click()
    await page.getByRole('dialog').getByText('Viewer, Publisher').waitFor()
    await page.getByRole('dialog').getByRole('button', { name: 'Cancel' }).click()
    await save.click()
    await screenshots('admin-roles')
    await page.getByRole('dialog').getByRole('button', { name: 'Change the roles' }).click()
    await page.getByText('The roles are changed.').waitFor()
    await page.getByRole('definition').filter({ hasText: 'Viewer, Publisher' }).waitFor()
  })

  await step('sessions end', async () => {
    await page.getByRole('button', { name: 'End all sessions' }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'End all sessions' }).click()
    await page.getByText('All sessions have ended.').waitFor()
  })

  await step('who is disabled does not sign in, until they are enabled', async () => {
    await page.getByRole('button', { name: 'Disable the account' }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'Disable the account' }).click()
    await page.getByText('The account is disabled.').waitFor()
    assert.equal(await signInByRequest(), 401)
    await page.getByRole('button', { name: 'Enable the account' }).waitFor()
    await screenshots('admin-disabled')
    await page.getByRole('button', { name: 'Enable the account' }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'Enable the account' }).click()
    await page.getByText('The account is enabled.').waitFor()
    assert.equal(await signInByRequest(), 200)
  })

  await step('their own account can be neither disabled nor demoted', async () => {
    await page.goto(`${baseUrl}/admin?email=${encodeURIComponent(admin.email)}`)
    await page.getByRole('link', { name: admin.email, exact: true }).click()
    await page.getByText('This is your own account.').waitFor()
    assert.ok(await page.getByRole('button', { name: 'Disable the account' }).isDisabled())
    assert.ok(await page.getByLabel('Administrator').isDisabled())
  })

  await step('an account that is none is said to be none', async () => {
    await page.goto(`${baseUrl}/admin/accounts/${encodeURIComponent('<b>none')}`)
    await page.getByRole('heading', { name: 'No such account' }).waitFor()
  })

  await step('others are shown nothing of it', async () => {
    const other = await newVisitor()
    await signIn(other, viewer)
    await other.getByRole('button', { name: 'Account', exact: true }).click()
    await other.getByRole('link', { name: 'Account', exact: true }).waitFor()
    assert.equal(await other.getByRole('link', { name: 'Manage accounts' }).count(), 0)
    await other.goto(`${baseUrl}/admin`)
    await other.getByRole('heading', { name: 'Library' }).waitFor()
  })

  await step('no page has thrown an error', () => assert.deepEqual(pageErrors, []))
})

async function newVisitor() {
  const visitor = await (await browser.newContext({ viewport: { width: 1280, height: 900 } })).newPage()
  visitor.setDefaultTimeout(60_000)
  visitor.on('pageerror', (error) => pageErrors.push(String(error)))
  visitor.on('console', (message) => {
    if (message.type() === 'error' && message.text().includes('Content Security Policy')) pageErrors.push(message.text())
  })
  return visitor
}

async function signIn(visitor, { email, password }) {
  await visitor.goto(`${baseUrl}/sign-in`)
  await visitor.getByLabel('E-mail').fill(email)
  await visitor.getByLabel('Password', { exact: true }).fill(password)
  await visitor.getByRole('button', { name: 'Sign in' }).click()
  await visitor.getByRole('heading', { name: 'Library' }).waitFor()
}

/** As somebody elsewhere would: the cookie that it gives is not this browser's. */
async function signInByRequest() {
  const answer = await fetch(`${baseUrl}/api/session`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(somebody),
  })
  return answer.status
}

/** As on a small phone and on a desktop, light and dark. */
async function screenshots(name) {
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
