// Runs before the first paint, so that a page never flashes in the wrong colours. src/theme.ts writes the choice.
try {
  const chosen = localStorage.getItem('matinee-theme')
  if (chosen === 'light' || chosen === 'dark') document.documentElement.dataset.theme = chosen
} catch {
  // Storage is switched off: the system's colours apply.
}
