// Every piece of text that can be seen, with what is wrong with how it is shown.
() => {
  const frame = ["HA-SIDEBAR", "HA-TAB"]; // around every page, and Home Assistant's own
  const skipped = new Set(["SCRIPT", "STYLE", "TEMPLATE", ...frame]);
  const found = [];
  const visit = (element) => {
    const style = getComputedStyle(element);
    // What has no box of its own (contents) is never visible itself, but what is in it may be.
    if (style.display !== "contents" && !element.checkVisibility({ opacityProperty: true, visibilityProperty: true })) return;
    const own = [...element.childNodes].filter((node) => node.nodeType === Node.TEXT_NODE).map((node) => node.data);
    const text = own.join(" ").replace(/\s+/g, " ").trim();
    if (text) {
      // The text's own box: that of its element may be wider, or have none.
      const range = document.createRange();
      range.selectNodeContents(element);
      const box = range.getBoundingClientRect();
      // One pixel is for screen readers only.
      const cut = style.overflowX !== "visible" && element.clientWidth > 1 && element.scrollWidth > element.clientWidth;
      const beyond = box.width > 0 && (box.left < -1 || box.right > innerWidth + 1);
      found.push({ text, cut, beyond });
    }
    for (const child of [...(element.shadowRoot?.children ?? []), ...element.children]) {
      if (!skipped.has(child.tagName)) visit(child);
    }
  };
  visit(document.body);
  return found;
}
