// The pages are the same for everybody and cached; what is a visitor's own comes from here.

const count = document.querySelector("#cart-count");
const search = document.querySelector("#search");
const hits = document.querySelector("#hits");

async function callApi(path, options = {}) {
  const response = await fetch(path, options);
  if (!response.ok) throw Object.assign(new Error(response.statusText), { status: response.status });
  return response.json();
}

function post(path, body) {
  const headers = { "Content-Type": "application/json" };
  return callApi(path, { method: "POST", headers, body: JSON.stringify(body) });
}

async function addToCart(productId) {
  const line = { product_id: productId };
  try {
    return await post("/api/cart", line);
  } catch (error) {
    if (error.status !== 401) throw error;
    await post("/api/login", { user: `guest-${Math.floor(Math.random() * 1e6)}` });
    localStorage.setItem("known", "1");
    return post("/api/cart", line);
  }
}

async function showHits() {
  const text = search.value.trim();
  const found = text ? await callApi(`/api/search?per_page=6&q=${encodeURIComponent(text)}`) : { items: [] };
  if (text !== search.value.trim()) return; // a slow answer to what is no longer asked
  hits.replaceChildren(...found.items.map((product) => {
    const item = document.createElement("li");
    const link = item.appendChild(document.createElement("a"));
    link.href = `/products/${product.id}`;
    link.textContent = product.name;
    return item;
  }));
  hits.hidden = found.items.length === 0;
}

let typing;
search.addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(showHits, 200);
});

document.querySelector(".add")?.addEventListener("click", async ({ target }) => {
  target.disabled = true;
  const cart = await addToCart(Number(target.dataset.productId)).finally(() => (target.disabled = false));
  count.textContent = cart.count;
});

// Visitors who never logged in have no cart: spare the shop their 401.
if (localStorage.getItem("known")) {
  callApi("/api/cart").then((cart) => (count.textContent = cart.count)).catch(() => localStorage.removeItem("known"));
}
