/** The editor: CodeMirror, loaded with its page alone. What it completes and marks is told by others. */
import { autocompletion, closeBrackets, closeBracketsKeymap, completionKeymap, type Completion, type CompletionContext, type CompletionResult } from '@codemirror/autocomplete';
import { defaultKeymap, history, historyKeymap } from '@codemirror/commands';
import { sql, SQLDialect } from '@codemirror/lang-sql';
import { bracketMatching, HighlightStyle, indentUnit, syntaxHighlighting } from '@codemirror/language';
import { setDiagnostics } from '@codemirror/lint';
import { EditorState, Prec } from '@codemirror/state';
import { drawSelection, EditorView, highlightActiveLine, highlightSpecialChars, keymap, lineNumbers, placeholder } from '@codemirror/view';
import { tags } from '@lezer/highlight';
import { KEYWORDS, wordsAt, type Catalogue } from './completion.ts';

export interface Acts {
	changed: (text: string) => void;
	run: () => void;
	/** Whether there was something to cancel. */
	cancel: () => boolean;
	catalogue: () => Catalogue;
}

export interface Mark {
	line: number;
	column: number;
	length: number;
	message: string;
}

export interface Editor {
	set: (text: string) => void;
	/** Puts a text in place of what is selected. */
	insert: (text: string) => void;
	mark: (mark: Mark | null) => void;
	focus: () => void;
	close: () => void;
}

const CLICKHOUSE = SQLDialect.define({
	keywords: [...new Set(KEYWORDS.flatMap((word) => word.toLowerCase().split(' ')).filter((word) => /^[a-z]+$/.test(word)))].join(' '),
	types: 'int8 int16 int32 int64 int128 int256 uint8 uint16 uint32 uint64 uint128 uint256 float32 float64 decimal string fixedstring date date32 datetime datetime64 uuid bool array tuple map nullable lowcardinality enum8 enum16 ipv4 ipv6 json',
	backslashEscapes: true,
	doubleQuotedStrings: false,
	identifierQuotes: '`"'
});

const COLOURS = HighlightStyle.define([
	{ tag: [tags.keyword, tags.operatorKeyword], color: 'var(--c2)' },
	{ tag: [tags.string, tags.special(tags.string)], color: 'var(--good)' },
	{ tag: [tags.number, tags.bool, tags.null], color: 'var(--c3)' },
	{ tag: [tags.lineComment, tags.blockComment], color: 'var(--muted)', fontStyle: 'italic' },
	{ tag: tags.typeName, color: 'var(--c4)' }
]);

const LOOK = EditorView.theme({
	'&': { color: 'var(--text)', backgroundColor: 'var(--panel)', fontSize: '13px', height: '100%' },
	'&.cm-focused': { outline: 'none' },
	'.cm-scroller': { fontFamily: 'var(--mono)', lineHeight: '1.55', overflow: 'auto', fontVariantLigatures: 'none' },
	'.cm-content': { caretColor: 'var(--accent)', padding: '10px 0' },
	'.cm-cursor': { borderLeftColor: 'var(--accent)', borderLeftWidth: '2px' },
	'.cm-gutters': { backgroundColor: 'var(--panel)', color: 'var(--muted)', border: 'none', paddingLeft: '6px' },
	'.cm-activeLine': { backgroundColor: 'color-mix(in srgb, var(--panel-2) 60%, transparent)' },
	'&:not(.cm-focused) .cm-activeLine': { backgroundColor: 'transparent' },
	'.cm-selectionBackground, &.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground': {
		backgroundColor: 'color-mix(in srgb, var(--accent) 28%, transparent)'
	},
	'.cm-matchingBracket': { backgroundColor: 'var(--panel-2)', outline: '1px solid var(--line-strong)' },
	'.cm-placeholder': { color: 'var(--muted)' },
	'.cm-tooltip': { backgroundColor: 'var(--panel-2)', color: 'var(--text)', border: '1px solid var(--line-strong)', borderRadius: '7px' },
	'.cm-tooltip.cm-tooltip-autocomplete > ul': { fontFamily: 'var(--mono)', fontSize: '12px', maxHeight: '260px', minWidth: '280px', borderRadius: '6px' },
	'.cm-tooltip.cm-tooltip-autocomplete > ul > li': { padding: '3px 8px', display: 'flex', gap: '8px' },
	'.cm-tooltip-autocomplete ul li[aria-selected]': { backgroundColor: 'color-mix(in srgb, var(--accent) 24%, var(--panel-2))', color: 'var(--text)' },
	'.cm-completionDetail': { marginLeft: 'auto', fontStyle: 'normal', color: 'var(--muted)' },
	'.cm-completionMatchedText': { textDecoration: 'none', color: 'var(--accent)' },
	'.cm-tooltip.cm-completionInfo': { padding: '8px 10px', maxWidth: '320px', fontSize: '12px', margin: '0 4px' },
	'.cm-lintRange-error': { backgroundImage: 'none', textDecoration: 'underline wavy var(--bad)', textUnderlineOffset: '3px', backgroundColor: 'color-mix(in srgb, var(--bad) 14%, transparent)' },
	'.cm-diagnostic-error': { borderLeft: '3px solid var(--bad)', padding: '6px 10px' }
});

const ICONS: Record<string, string> = { keyword: 'keyword', database: 'namespace', table: 'class', column: 'property', function: 'function' };

/**
 * Puts an editor into an element.
 *
 * It lives in a shadow root: there its styles are adopted sheets, which the page's content security
 * policy allows, while style elements in the document would need a hole in it.
 */
export function open(host: HTMLElement, text: string, label: string, acts: Acts): Editor {
	const root = host.shadowRoot ?? host.attachShadow({ mode: 'open' });
	// The page's own keys must not see what is typed: from outside it comes from no field.
	host.addEventListener('keydown', stop);
	const view = new EditorView({
		root,
		parent: root,
		state: EditorState.create({
			doc: text,
			extensions: [
				Prec.highest(keymap.of([{ key: 'Mod-Enter', run: () => (acts.run(), true) }])),
				lineNumbers(),
				highlightSpecialChars(),
				history(),
				drawSelection(),
				bracketMatching(),
				closeBrackets(),
				highlightActiveLine(),
				indentUnit.of('    '),
				placeholder('SELECT … FROM a table of silver or gold'),
				sql({ dialect: CLICKHOUSE, upperCaseKeywords: true }),
				autocompletion({ override: [(context) => complete(context, acts.catalogue())], icons: false, maxRenderedOptions: 80 }),
				syntaxHighlighting(COLOURS),
				keymap.of([...closeBracketsKeymap, ...completionKeymap, ...defaultKeymap, ...historyKeymap]),
				keymap.of([{ key: 'Escape', run: () => acts.cancel() }]),
				EditorView.contentAttributes.of({ 'aria-label': label }),
				EditorView.lineWrapping,
				EditorView.updateListener.of((update) => {
					if (update.docChanged) acts.changed(update.state.doc.toString());
				}),
				LOOK
			]
		})
	});
	return {
		set: (next) => {
			if (next === view.state.doc.toString()) return;
			view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert: next }, selection: { anchor: next.length } });
		},
		insert: (next) => {
			view.dispatch(view.state.replaceSelection(next));
			view.focus();
		},
		mark: (mark) => view.dispatch(setDiagnostics(view.state, mark ? [diagnostic(view.state, mark)] : [])),
		focus: () => view.focus(),
		close: () => {
			host.removeEventListener('keydown', stop);
			view.destroy();
		}
	};
}

function stop(event: Event): void {
	event.stopPropagation();
}

function diagnostic(state: EditorState, { line, column, length, message }: Mark) {
	const found = state.doc.line(Math.min(Math.max(1, line), state.doc.lines));
	const from = Math.min(found.from + column - 1, found.to);
	const to = Math.min(Math.max(from + length, from), found.to);
	// At the very end of a line nothing could be underlined: then the letter before it is.
	return { from: from === to ? Math.max(found.from, from - 1) : from, to, severity: 'error' as const, message };
}

function complete(context: CompletionContext, catalogue: Catalogue): CompletionResult | null {
	const before = context.state.sliceDoc(0, context.pos);
	const typing = /[\w.]$/.test(before);
	if (!typing && !context.explicit) return null;
	const found = wordsAt(before, context.state.doc.toString(), catalogue);
	if (!found || found.words.length === 0) return null;
	const options: Completion[] = found.words.map(({ label, apply, kind, detail, about, boost }) => ({
		label, apply, detail, info: about, boost, type: ICONS[kind]
	}));
	return { from: found.from, options, validFor: /^\w*$/ };
}

