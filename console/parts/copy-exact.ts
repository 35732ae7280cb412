/** Puts the exact numbers of the copied cells where the rounded ones are: tabs between cells, a line for each row. */
export function copyExact(event: ClipboardEvent): void {
  const selection = getSelection();
  if (selection === null || selection.isCollapsed || event.clipboardData === null) return;
  const range = selection.getRangeAt(0);
  const { commonAncestorContainer: root } = range;
  const cell = (root instanceof Element ? root : root.parentElement)?.closest('td, th');
  if (cell != null) {
    // A part of a number would not be one.
    const exact = cell.getAttribute('data-exact');
    if (exact === null || selection.toString().trim() !== cell.textContent.trim()) return;
    event.clipboardData.setData('text/plain', exact);
  } else {
    const rows = [...range.cloneContents().querySelectorAll('tr')];
    const lines = rows.map((row) => [...row.children].map(textOf).join('\t'));
    event.clipboardData.setData('text/plain', lines.join('\n'));
  }
  event.preventDefault();
}

function textOf(cell: Element): string {
  return cell.getAttribute('data-exact') ?? cell.textContent.trim();
}
