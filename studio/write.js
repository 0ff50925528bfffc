// Puts CodeMirror in the place of the textarea and lints after every pause in typing.
import {
  EditorState, EditorView, keymap, lineNumbers, drawSelection, highlightActiveLine,
  defaultKeymap, history, historyKeymap, syntaxHighlighting, classHighlighter,
  indentOnInput, yaml, lintGutter, setDiagnostics, lintKeymap,
} from "/files/codemirror.min.mjs";

const form = document.getElementById("editor");
const area = document.getElementById("text");
const side = document.getElementById("side");
const status = document.getElementById("status");
let timer = 0;
let asked = 0;

function diagnostics(doc, problems) {
  return problems.map((problem) => {
    const line = doc.line(Math.min(Math.max(problem.line, 1), doc.lines));
    return { from: line.from, to: line.to, severity: problem.severity, message: problem.message };
  });
}

async function lint(view) {
  const number = ++asked;
  const body = new URLSearchParams({ text: view.state.doc.toString() });
  try {
    const answer = await fetch(form.dataset.lint, { method: "POST", body });
    if (!answer.ok) throw new Error(answer.status);
    const found = await answer.json();
    if (number !== asked) return; // something was typed meanwhile
    view.dispatch(setDiagnostics(view.state, diagnostics(view.state.doc, found.problems)));
    side.innerHTML = found.side; // made by our own template, which escapes all text
    status.textContent = "";
  } catch {
    status.textContent = "The studio does not answer; is it still running?";
  }
}

const view = new EditorView({
  parent: area.parentElement,
  state: EditorState.create({
    doc: area.value,
    extensions: [
      lineNumbers(), history(), drawSelection(), highlightActiveLine(), indentOnInput(),
      syntaxHighlighting(classHighlighter), yaml(), lintGutter(), EditorView.lineWrapping,
      EditorView.cspNonce.of(form.dataset.nonce),
      EditorView.contentAttributes.of({ "aria-label": "The file", spellcheck: "false" }),
      EditorView.theme({
        "&": { backgroundColor: "var(--paper)", color: "var(--ink)" },
        ".cm-gutters": { backgroundColor: "var(--tint)", color: "var(--soft)" },
        ".cm-activeLine, .cm-activeLineGutter": { backgroundColor: "var(--tint)" },
        ".cm-cursor": { borderLeftColor: "var(--ink)" },
        ".cm-tooltip": { backgroundColor: "var(--paper)", color: "var(--ink)" },
      }),
      keymap.of([...defaultKeymap, ...historyKeymap, ...lintKeymap]),
      EditorView.updateListener.of((update) => {
        if (!update.docChanged) return;
        area.value = update.state.doc.toString();
        clearTimeout(timer);
        timer = setTimeout(() => lint(view), 120);
      }),
    ],
  }),
});
form.insertBefore(view.dom, area);
view.scrollDOM.tabIndex = 0; // it scrolls, so the keyboard must reach it
area.hidden = true;
document.querySelector('label[for="text"]').hidden = true;
document.getElementById("leaving").hidden = false;
lint(view);

function goTo(number) {
  const line = view.state.doc.line(Math.min(Math.max(number, 1), view.state.doc.lines));
  view.dispatch({ selection: { anchor: line.from }, effects: EditorView.scrollIntoView(line.from, { y: "center" }) });
  view.focus();
}
document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-line]");
  if (!link) return;
  event.preventDefault();
  goTo(Number(link.dataset.line));
});
if (/^#L\d+$/.test(location.hash)) goTo(Number(location.hash.slice(2)));
